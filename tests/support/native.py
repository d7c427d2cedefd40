"""Small C libraries for child processes (LD_PRELOAD), compiled once into .cache and again when their source changes."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"


def library(source: Path) -> Path:
    """The shared library of one C file; two test processes may ask for it at once."""
    chosen = CACHE / "compiler"
    command = chosen.read_text().strip() if chosen.exists() else "cc"
    stamp = hashlib.sha256(source.read_bytes() + command.encode()).hexdigest()[:16]
    made = CACHE / "native" / f"{source.stem}-{stamp}.so"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=made.parent)
        os.close(number)
        flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", draft, str(source)]
        kept = str(CACHE / "zig-cache")
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": kept, "ZIG_LOCAL_CACHE_DIR": kept}
        done = subprocess.run(
            [*shlex.split(command), *flags], check=False, capture_output=True, text=True, env=environment
        )
        if done.returncode != 0:
            message = (
                f"{command} cannot compile {source.name} (tests/tools/compiler.py finds one that can):\n{done.stderr}"
            )
            raise RuntimeError(message)
        Path(draft).chmod(0o755)  # the server of another user loads it too
        Path(draft).replace(made)
    return made


def preloading(source: Path, **environment: str) -> dict[str, str]:
    """The environment of a child process that runs under this library."""
    return {**os.environ, **environment, "LD_PRELOAD": str(library(source))}
