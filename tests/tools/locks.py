"""The hashed requirements: `check` says whether they still belong to pyproject.toml, `renew` makes them anew.

Each lock begins with the fingerprint of the dependency tables that it was made from. No lock names a package index.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RUNTIME: Final = ROOT / "requirements.lock"
TEST: Final = ROOT / "tests" / "tools" / "requirements-test.lock"
UV: Final = ROOT / "tests" / "tools" / "requirements-uv.lock"
SIGN: Final = "# made from pyproject.toml "


def fingerprint() -> str:
    """SHA-256 over what the locks depend on, in hex."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    table = [project["project"]["requires-python"], project["project"]["dependencies"], project["dependency-groups"]]
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def complaint(lock: Path) -> str | None:
    """Why this lock must not be used, in a sentence that says what to do; None when it may."""
    name = lock.relative_to(ROOT)
    if not lock.exists():
        return f"{name} is missing. `make lock` makes it; commit it."
    if lock.read_text().partition("\n")[0] != SIGN + fingerprint():
        return f"{name} is older than the dependencies in pyproject.toml. `make lock` renews it; commit it."
    return None


def renew() -> None:
    """Resolve all three again, keeping versions that still fit; the test lock holds the runtime's."""
    from install import index_settings

    project = str(ROOT / "pyproject.toml")
    groups = [part for group in ("test", "lint") for part in ("--group", f"{project}:{group}")]
    _compile(RUNTIME, [project], index_settings())
    _compile(TEST, [project, *groups, "--constraint", str(RUNTIME)], index_settings())
    _compile(UV, ["--group", f"{project}:setup"], index_settings())


def _compile(lock: Path, wanted: list[str], environment: dict[str, str]) -> None:
    options = ["--quiet", "--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    command = [str(ROOT / ".venv" / "bin" / "uv"), "pip", "compile", *options, *wanted, "--output-file", str(lock)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    lock.write_text("\n".join([SIGN + fingerprint(), *lines]) + "\n")


def main() -> int:
    """Check or renew."""
    if sys.argv[1:] == ["renew"]:
        renew()
    complaints = [sentence for lock in (RUNTIME, TEST, UV) if (sentence := complaint(lock))]
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
