"""A compliance bag from the command line, by the same service and with the same token as at the staff door."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from app.actors import Staff
from app.agents import queries as agents
from app.commands.wrong_use import WrongUse
from app.compliance import service
from app.compliance.models import Export
from app.compliance.rules import State
from app.database import reading, transaction
from app.errors import Unauthenticated
from app.main import Installation
from app.sessions import rules
from app.worker import Worker
from security.tokens import token_hash

LOOK_EVERY: Final = timedelta(milliseconds=250)


class ExportFailed(Exception):
    """The bag was not made; the message says why."""


async def officer(house: Installation, token: str) -> Staff:
    """Whose token this is; raises `Unauthenticated`. What the role may do is the service's to say."""
    found = await agents.signed_in(house.services, token_hash(token))
    now = house.services.clock()
    # here is no request that a proof of possession could be made for
    lives = found is not None and found.kind == rules.API and not found.ended_at and found.expires_at > now
    if not lives or not found.active or found.jkt is not None:
        raise Unauthenticated("This token is not valid, or not any more. Get one with POST /api/v1/tokens.")
    return agents.staff_of(found)


@dataclass(frozen=True)
class Wish:
    """What to export, where to write it, how long to wait for it; `room` belongs to the scope `room`."""

    scope: str
    room: UUID | None
    reason: str
    out: Path | None
    wait: timedelta


async def export(house: Installation, token: str, wish: Wish, *, with_worker: bool) -> Path:
    """Ask for an export, wait until the worker has built it, write it (mode 0600); returns where it is.

    `with_worker` does the background work in this process: for an installation that nobody serves just now.
    Raises the service's refusals, `Unauthenticated`, `ExportFailed`.
    """
    if wish.out is not None and await asyncio.to_thread(wish.out.exists):
        raise WrongUse(f"{wish.out} exists already")
    staff = await officer(house, token)
    key = await service.new_key(house.services, staff)
    async with transaction(house.services) as db:
        asked = await service.request_export(db, staff, wish.scope, wish.room, wish.reason, key=key)
        export_id = asked.id
    worker = Worker(house)
    if with_worker:
        worker.start()
    try:
        await _built(house, export_id, wish.wait)
    finally:
        await worker.stop()
    download = await service.download(house.services, house.compliance, staff, export_id)
    target = wish.out or Path(download.filename)
    handle = await asyncio.to_thread(os.open, target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        async for chunk in download.chunks:
            await asyncio.to_thread(file.write, chunk)
    return target


async def _built(house: Installation, export_id: UUID, wait: timedelta) -> None:
    """Look until the bag is ready; the worker may be any process."""
    deadline = house.services.clock() + wait
    while house.services.clock() < deadline:
        async with reading(house.services) as db:
            found = await db.get_one(Export, export_id)
        if found.state == State.READY:
            return
        if found.state == State.FAILED:
            raise ExportFailed(f"the export failed: {found.failure or 'no reason is known'}")
        await asyncio.sleep(LOOK_EVERY.total_seconds())
    raise ExportFailed(
        f"the bag of export {export_id} is not ready yet; a worker goes on with it (is one running? else --with-worker)"
    )
