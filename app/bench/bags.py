"""What evidence costs to take away: bags built by the service and its worker, then verified by the offline program."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from app.actors import Staff
from app.agents.models import StaffAccount
from app.agents.service import actor_of
from app.bench.ground import Ground, installation
from app.bench.lane import Say
from app.bench.measuring import NotMeasured, last_numbers
from app.bench.stores import connected
from app.compliance import service, verifier
from app.compliance.models import Export
from app.compliance.rules import State
from app.compliance.service import trust_document
from app.database import reading, transaction
from app.main import Installation
from app.sessions.models import Session
from app.worker import Worker
from security.encoding import canonical_json

LONGEST: Final = 600.0
LOOK_EVERY: Final = 0.02


def measure_bags(ground: Ground, stored: int, say: Say) -> dict[str, Any]:
    """A bag of the whole log and one of a room; raises `NotMeasured` where a bag is not made or does not verify."""
    room = ground.rooms[0].conversation_id
    found: dict[str, Any] = {"stored": stored}
    asked = (("log", None), ("room", UUID(room)))
    built = asyncio.run(_build(ground, list(asked)))
    found["leaves"] = leaves = _size_of_log(ground)
    for (scope, _), seconds, items in zip(asked, built, (leaves, last_numbers(ground)[room]), strict=True):
        bag = _bag(ground, scope)
        checked = _verify(bag, Path(ground.folder) / "bench-trust.json")
        found[scope] = {
            "items": items,
            "bytes": bag.stat().st_size,
            "build_seconds": seconds,
            "verify_seconds": checked,
            "build_us_per_item": seconds / items * 1e6,
            "verify_us_per_item": checked / items * 1e6,
        }
        say(f"bag of the {scope}, {items} items: built in {seconds:.1f} s, verified in {checked:.1f} s")
    return found


def _bag(ground: Ground, scope: str) -> Path:
    return Path(ground.folder) / f"bench-{scope}.zip"


def _size_of_log(ground: Ground) -> int:
    with closing(connected(ground.settings().main_database)) as connection:
        return int(connection.execute("SELECT size FROM audit_log").fetchone()[0])


async def _build(ground: Ground, scopes: list[tuple[str, UUID | None]]) -> list[float]:
    """Seconds from the request to the finished bag, the sequencer's and the signer's work included."""
    took = []
    async with installation(Path(ground.folder), ground.environment) as house:
        trust = await trust_document(house.services, house.compliance, house.settings.origin)
        await asyncio.to_thread((Path(ground.folder) / "bench-trust.json").write_bytes, canonical_json(trust))
        officer = await _officer(house, ground)
        worker = Worker(house)
        worker.start()
        try:
            for scope, room in scopes:
                begin = time.perf_counter()
                export_id = await _request(house, officer, scope, room)
                await _until_ready(house, export_id)
                took.append(time.perf_counter() - begin)
                await _fetch(house, officer, export_id, _bag(ground, scope))
        finally:
            await worker.stop()
    return took


async def _officer(house: Installation, ground: Ground) -> Staff:
    staff_id = UUID(ground.staff["olga"].id)
    async with reading(house.services) as db:
        session = (await db.execute(select(Session).where(Session.staff_id == staff_id))).scalars().one()
        return actor_of(await db.get_one(StaffAccount, staff_id), session)


async def _request(house: Installation, officer: Staff, scope: str, room: UUID | None) -> UUID:
    key = await service.new_key(house.services, officer)
    async with transaction(house.services) as db:
        return (await service.request_export(db, officer, scope, room, "what a bag costs", key=key)).id


async def _until_ready(house: Installation, export_id: UUID) -> None:
    for _ in range(round(LONGEST / LOOK_EVERY)):
        async with reading(house.services) as db:
            found = await db.get_one(Export, export_id)
        if found.state == State.READY:
            return
        if found.state == State.FAILED:
            raise NotMeasured(f"the export failed: {found.failure}")
        await asyncio.sleep(LOOK_EVERY)
    raise NotMeasured("the bag is not ready")


async def _fetch(house: Installation, officer: Staff, export_id: UUID, target: Path) -> None:
    download = await service.download(house.services, house.compliance, officer, export_id)
    chunks = [chunk async for chunk in download.chunks]
    await asyncio.to_thread(target.write_bytes, b"".join(chunks))


def _verify(bag: Path, trust: Path) -> float:
    """Seconds of the whole program, its start included: it imports the standard library only."""
    begin = time.perf_counter()
    command = [sys.executable, str(Path(verifier.__file__)), str(bag), "--trust", str(trust)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own program)
    if done.returncode != 0:
        raise NotMeasured((done.stderr or done.stdout)[-2000:])
    return time.perf_counter() - begin
