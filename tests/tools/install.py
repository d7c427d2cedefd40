"""install.py LOCK: make .venv hold exactly what the lock names, by hash, from the index that pip uses here.

uv does not read pip's configuration, so it is asked for and handed over in the environment; settings of uv's own win.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import locks

PIP_TO_UV: Final = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST"}


def pip_settings() -> dict[str, str]:
    """What `pip config list` says, by option name; the environment's word stands above the files'."""
    environment = dict(os.environ)
    for wheel in locks.ROOT.glob(".cache/pip-wheel/root/usr/share/python-wheels/pip-*.whl"):
        environment["PYTHONPATH"] = str(wheel)
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        place, _, option = name.rpartition(".")
        if place in ("global", "install", ":env:") and (option not in found or place != "global"):
            found[option] = str(ast.literal_eval(value))
    return found


def index_settings() -> dict[str, str]:
    """The environment for uv."""
    settings = pip_settings()
    ours = {
        "UV_SYSTEM_CERTS": "1",
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(locks.ROOT / ".cache" / "uv-cache"),
        # hashes decide what is installed, so any index may offer it
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_HTTP_TIMEOUT": settings.get("timeout", settings.get("default-timeout", "120")),
    }
    for option, variable in PIP_TO_UV.items():
        if settings.get(option):
            ours[variable] = " ".join(settings[option].split())
    if settings.get("find-links"):
        ours["UV_FIND_LINKS"] = ",".join(
            link for link in settings["find-links"].split() if "://" in link or Path(link).is_dir()
        )
    if settings.get("cert"):
        ours["SSL_CERT_FILE"] = settings["cert"]
    if settings.get("proxy"):
        ours["ALL_PROXY"] = settings["proxy"]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        ours["UV_NO_INDEX"] = "1"
    return {**ours, **os.environ}


def main() -> int:
    """Refuse a lock that does not belong to pyproject.toml; then install it."""
    lock = locks.ROOT / sys.argv[1]
    if complaint := locks.complaint(lock):
        print(complaint, file=sys.stderr)
        return 1
    uv = locks.ROOT / ".venv" / "bin" / "uv"
    command = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", sys.executable, lock, locks.UV]
    return subprocess.run(command, check=False, cwd=locks.ROOT, env=index_settings()).returncode


if __name__ == "__main__":
    sys.exit(main())
