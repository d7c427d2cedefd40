"""`make bench`: starts a PostgreSQL that keeps what it commits and runs `riserbo bench` on it with the arguments given.

With `--module MODULE` first, another program gets the URL as `--postgres` (`app.bench`: one store, one concurrency).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postgres import MEASURED, running_postgres  # noqa: E402


def main() -> int:
    arguments = sys.argv[1:]
    program = [sys.executable, "-m", "app.cli", "bench"]
    if arguments[:1] == ["--module"]:
        program, arguments = [sys.executable, "-m", arguments[1]], arguments[2:]
    with running_postgres(MEASURED) as server:
        url = server.url("postgres", "postgres")
        return subprocess.run([*program, "--postgres", url, *arguments], check=False, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
