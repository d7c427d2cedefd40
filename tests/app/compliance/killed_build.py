"""A worker that dies in the middle of a build, as by SIGKILL: run as a process of its own by the tests.

Arguments: main database, key database, key-encryption key file, export folder, seed of the export key (hex), name of
that key, outbox row, export, and the step at which to die.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.compliance import building
from app.compliance.ports import CompliancePorts
from app.database import create_engines
from app.notifications.service import Work
from app.outbound import OutboundClient
from app.services import Services
from app.vault import KeyFile, Vault
from security.notes import SigningKey
from tests.app.binding.outside import Clock

DIED = 9


def dying(step: Callable[..., Any]) -> Callable[..., NoReturn]:
    """The step, done, and then no more."""

    def last(*arguments: Any) -> NoReturn:
        step(*arguments)
        os._exit(DIED)

    return last


async def main(arguments: list[str]) -> None:
    urls, kek, folder, seed, name = arguments[:2], Path(arguments[2]), Path(arguments[3]), arguments[4], arguments[5]
    row_id, export_id, step = UUID(arguments[6]), arguments[7], arguments[8]
    write, read = create_engines(urls[0])
    key_engine, _ = create_engines(urls[1])
    clock = Clock()
    services = Services(write, read, Vault(KeyFile(kek), key_engine, clock), OutboundClient(), clock)
    key = SigningKey(name, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    setattr(building, step, dying(getattr(building, step)))
    work = Work(row_id, building.BUILD_EXPORT, {"export": export_id}, 1, None)
    await building.build_export(services, CompliancePorts(folder, key, "unused"), work)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
