"""Key-encryption keys: a new version, and every data key wrapped anew under it, while the service runs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from app import key_files
from app.actors import Operator
from app.audit.service import Value, record
from app.commands import operating
from app.commands.wrong_use import WrongUse
from app.database import transaction
from app.main import Installation
from app.settings import Settings
from app.vault import KeyFile
from security.certificates import signing_request

T = TypeVar("T")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")


async def rotate(house: Installation, operator: Operator) -> tuple[int, int]:
    """Add a version and make it current; returns the old and the new one. A running service sees it at once."""
    old, new = await asyncio.to_thread(_add_version, house.settings.keys / key_files.KEK_FILE)
    async with transaction(house.services) as db:
        data: dict[str, Value] = {"kind": "key-encryption", "old": old, "new": new}
        record(db, "key.rotated", stream="log", actor=operator, data=data)
    return old, new


async def rewrap(house: Installation, operator: Operator) -> tuple[int, int]:
    """Wrap under the current version whatever is not; returns how many and the version. May be repeated."""
    count = await house.services.vault.rewrap()
    version = KeyFile(house.settings.keys / key_files.KEK_FILE).ring().current
    async with transaction(house.services) as db:
        record(db, "keys.rewrapped", stream="log", actor=operator, data={"count": count, "version": version})
    return count, version


async def rotate_tokens(settings: Settings, operator: Operator) -> tuple[str, str]:
    """A new key for access tokens; returns the names of the old and the new one. A running service sees it at once."""
    async with operating.opened(settings) as house:
        path = settings.keys / key_files.TOKEN_KEY_FILE
        old, new = await asyncio.to_thread(
            _alone, path, lambda: key_files.rotate_token_key(path, house.services.clock())
        )
        async with transaction(house.services) as db:
            data: dict[str, Value] = {"kind": "token-signing", "old": old, "new": new}
            record(db, "key.rotated", stream="log", actor=operator, data=data)
    return old, new


def new_client_key(settings: Settings, name: str) -> str:
    """A new key pair for signing requests to identity providers, in `keys/{name}.json`; returns its public half."""
    path = settings.keys / f"{name}.json"
    if not _NAME.fullmatch(name) or path.exists():
        raise WrongUse(f"{path.name} is there already, or no name of lower-case letters, digits and hyphens")
    key_files.make_client_key_file(path)
    return json.dumps(key_files.read_client_key(path).public_jwk())


def certificate_request(settings: Settings, name: str) -> str:
    """A certificate request in PEM for the pair in `keys/{name}.json` and the public host."""
    path = settings.keys / f"{name}.json"
    if not _NAME.fullmatch(name) or not path.exists():
        raise WrongUse(f"{path.name} is not there: riserbo keys client {name}")
    host = urlsplit(settings.public_url).hostname or ""
    return signing_request(key_files.read_client_key(path), host).decode()


def _add_version(path: Path) -> tuple[int, int]:
    def add() -> tuple[int, int]:
        old = KeyFile(path).ring().current
        return old, key_files.add_kek_version(path)

    return _alone(path, add)


def _alone(path: Path, act: Callable[[], T]) -> T:
    """Two rotations at once would each start from the same file, and one key would be lost with what it wraps."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return act()
    finally:
        os.close(folder)


def public_keys(settings: Settings) -> Sequence[str]:
    """The verification keys of log and exports, in the form that `trust.json` holds."""
    names = (key_files.LOG_KEY_FILE, key_files.EXPORT_KEY_FILE)
    return [key_files.read_signing_key(settings.keys / name).vkey() for name in names]
