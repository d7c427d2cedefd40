"""The project's own files, as git knows them, and what the architecture tests read from them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
PACKAGES: Final = ("app", "security", "migrations")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed, or would be: nothing that .gitignore names."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = tuple(ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file())
    assert found, "git listed no file"
    return found


def relative(path: Path) -> str:
    """The path as a person would name it."""
    return path.relative_to(ROOT).as_posix()


def python_files(*packages: str) -> list[Path]:
    """The Python files of some packages; fails where there is none, so that no check passes on nothing."""
    found = [path for path in files() if path.suffix == ".py" and relative(path).split("/")[0] in packages]
    assert found, f"no Python file in {packages}"
    return found


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


@cache
def documentation() -> str:
    """README and docs/, as one text."""
    pages = [path for path in files() if path.suffix == ".md"]
    return "\n".join(path.read_text(encoding="utf-8") for path in pages)
