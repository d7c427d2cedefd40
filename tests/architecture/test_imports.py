"""The import contracts of pyproject.toml hold, and they cover every module there is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.sources import ROOT, python_files, relative

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_the_application_stands_in_the_one_line() -> None:
    line = next(contract for contract in CONTRACTS if contract["type"] == "layers" and "containers" not in contract)
    placed = set(re.findall(r"app\.(\w+)", " ".join(line["layers"])))
    there = {relative(path).split("/")[1].removesuffix(".py") for path in python_files("app")} - {"__init__"}
    assert there - placed == set()


def test_security_imports_only_what_the_design_allows() -> None:
    allowed = {"cryptography", "pyotp", "argon2", "webauthn", "joserfc", "security"} | set(sys.stdlib_module_names)
    strangers = []
    for path in python_files("security"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            strangers += [f"{relative(path)}: {name}" for name in names if name.split(".")[0] not in allowed]
    assert strangers == []
