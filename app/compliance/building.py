"""Builds a bag: name the heads in a leaf, wait until that leaf is under a signed checkpoint, write, seal, tell.

Every step may be repeated. The export's own leaf fixes what is in scope and the first checkpoint over it fixes the log,
so a build that starts again, or twice at once, makes the same bag. Nothing in the clear outlives a build.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit import queries as audit
from app.audit.models import SignedCheckpoint
from app.audit.service import record
from app.compliance import queries, rules, sealed_file, verifier
from app.compliance.bag import BagContents, BagIncomplete, OneRoom, WholeLog, pack, write_bag
from app.compliance.disclosure import Disclosed, TextGone, disclose
from app.compliance.models import Export
from app.compliance.ports import CompliancePorts
from app.compliance.rules import Head, Scope, State
from app.compliance.sealed_file import Sealed
from app.compliance.workspace import workspace
from app.database import reading, services_of, transaction
from app.notifications.service import MOST_ATTEMPTS, Work, finish
from app.services import Services
from security.errors import SecurityError
from security.keys import DataKey

BUILD_EXPORT: Final = "build_export"
LOOKS: Final = 40
BETWEEN_LOOKS: Final = 0.05
HOPELESS: Final = (BagIncomplete, TextGone, verifier.EvidenceFails, SecurityError)
"""What another try cannot mend: the database no longer holds what its leaves say."""

R = TypeVar("R")


class CheckpointPending(TimeoutError):
    """The export's own leaf is not under a signed checkpoint yet; the work is tried again later."""


@dataclass(frozen=True)
class _Ground:
    """What a build stands on, all of it fixed once the export's own leaf is signed."""

    export: Export
    reason: str
    key: DataKey
    heads: list[Head]
    checkpoint: SignedCheckpoint


@dataclass(frozen=True)
class _Evidence:
    """What goes into the bag."""

    scope: OneRoom | WholeLog
    leaves: Iterable[tuple[int, bytes]]
    hashes: Sequence[bytes]
    texts: Disclosed


async def build_export(services: Services, ports: CompliancePorts, work: Work) -> None:
    """Work off one `build_export` row of the outbox; repeating it is safe.

    Raises `CheckpointPending` and whatever may pass with time; what cannot pass ends the export as failed.
    """
    export_id = UUID(work.payload["export"])
    if work.attempts > MOST_ATTEMPTS:
        # The builds before died with their process: another one would die too.
        await _fail(services, export_id, work, "gave_up")
        return
    try:
        export = await _begin(services, export_id, work)
        if export is not None:
            ground = await _ground(services, export)
            await _complete(services, export, work, ground.checkpoint.size, await _make(services, ports, ground))
    except HOPELESS as fault:
        await _fail(services, export_id, work, type(fault).__name__)
    except Exception as fault:
        if work.attempts < MOST_ATTEMPTS:
            raise
        await _fail(services, export_id, work, type(fault).__name__)


async def _begin(services: Services, export_id: UUID, work: Work) -> Export | None:
    """The export with its own leaf written, now or by an earlier try; None when there is nothing left to do.

    The heads are read before the leaf gets its place in line, so each of them stands before it in the log. What other
    transactions commit after the reading comes behind the heads, and the bag leaves it out.
    """
    async with transaction(services) as db:
        export = await db.get(Export, export_id, with_for_update=True)
        if export is None or export.state in (State.READY, State.FAILED):
            await finish(db, work.id)
            return None
        if export.created_leaf is None:
            heads = rules.nameable(Scope(export.scope), await _heads(db, export))
            export.created_leaf = export.leaf_id = record(
                db,
                "export.created",
                stream=_stream(export),
                actor=SYSTEM,
                data={
                    "scope": export.scope,
                    "of": str(export.conversation_id or ""),
                    "streams": [list(head) for head in heads],
                },
            )
            export.state = State.BUILDING.value
        return export


async def _heads(db: AsyncSession, export: Export) -> list[Head]:
    if export.conversation_id is not None:
        return await queries.heads_of_room(db, export.conversation_id)
    return await queries.heads_of_log(db, but=_stream(export))


async def _ground(services: Services, export: Export) -> _Ground:
    """Wait for the first checkpoint over the export's own leaf; raises `CheckpointPending`."""
    for _ in range(LOOKS):
        async with reading(services) as db:
            index = await audit.index_of(db, export.created_leaf)
            checkpoint = await audit.checkpoint_covering(db, index) if index is not None else None
            if index is not None and checkpoint is not None:
                created = verifier.parse_leaf(index, (await queries.leaf_page(db, index, index + 1))[0])
                reason = await queries.reason_of(db, export)
                break
        await asyncio.sleep(BETWEEN_LOOKS)
    else:
        raise CheckpointPending
    own = (_stream(export), int(created.body["n"]), created.hash.hex())
    heads: list[Head] = [(stream, n, value) for stream, n, value in created.data["streams"]]
    return _Ground(export, reason, await services.vault.key(export.key_id), [*heads, own], checkpoint)


async def _make(services: Services, ports: CompliancePorts, ground: _Ground) -> Sealed:
    with workspace(ports.folder) as place:
        evidence = await (_room if ground.export.conversation_id else _log)(services, ground, place)
        return await _in_thread(lambda: _write(ports, ground, evidence, place))


async def _room(services: Services, ground: _Ground, _place: Path) -> _Evidence:
    async with reading(services) as db:
        leaves = await audit.leaves(db, ground.checkpoint.size, [stream for stream, _, _ in ground.heads])
        texts = await disclose(db, leaves, ground.heads)
        hashes = await audit.leaf_hashes(db, ground.checkpoint.size)
    return _Evidence(OneRoom(str(ground.export.conversation_id)), leaves, hashes, texts)


async def _log(services: Services, ground: _Ground, place: Path) -> _Evidence:
    """Leaves by way of a file, page by page, so that a long log is never in memory nor in one long snapshot."""
    spool, size = place / "leaves", ground.checkpoint.size
    with spool.open("wb") as file:
        for start in range(0, size, queries.PAGE):
            async with reading(services) as db:
                page = await queries.leaf_page(db, start, size)
            await asyncio.to_thread(file.write, b"".join(leaf + b"\n" for leaf in page))
    async with reading(services) as db:
        hashes = await audit.leaf_hashes(db, size)
    return _Evidence(WholeLog(), enumerate(_lines(spool)), hashes, Disclosed((), ()))


def _lines(spool: Path) -> Iterator[bytes]:
    with spool.open("rb") as file:
        for line in file:
            yield line[:-1]


def _write(ports: CompliancePorts, ground: _Ground, evidence: _Evidence, place: Path) -> Sealed:
    export = ground.export
    contents = BagContents(
        scope=evidence.scope,
        origin=ports.export_key.name.removesuffix("/export"),
        export_id=str(export.id),
        requester=str(export.requested_by),
        reason=ground.reason,
        checkpoint=ground.checkpoint.note,
        leaves=evidence.leaves,
        leaf_hashes=evidence.hashes,
        messages=evidence.texts.messages,
        thread=evidence.texts.thread,
        info={"Bagging-Date": export.requested_at.date().isoformat(), "Bag-Software-Agent": "Riserbo"},
    )
    bag, packed = place / f"export-{export.id}", place / "bag.zip"
    write_bag(bag, contents, ports.export_key)
    pack(bag, packed)
    return sealed_file.seal_file(ground.key, export.id, packed, ports.folder)


async def _in_thread(job: Callable[[], R]) -> R:
    """`asyncio.to_thread`, but a cancelled caller still waits for the thread: it writes where we clean up next."""
    running = asyncio.ensure_future(asyncio.to_thread(job))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def _complete(services: Services, export: Export, work: Work, size: int, sealed: Sealed) -> None:
    """The bag is in its place: say so. A build that ran twice says it once."""
    async with transaction(services) as db:
        row = await db.get_one(Export, export.id, with_for_update=True)
        if row.state == State.BUILDING:
            row.state, row.log_size, row.bytes, row.digest = State.READY.value, size, sealed.bytes, sealed.digest
            row.finished_at = services_of(db).clock()
            row.leaf_id = record(
                db,
                "export.finished",
                stream=_stream(row),
                actor=SYSTEM,
                data={"size": size, "bytes": sealed.bytes, "digest": sealed.digest},
            )
        await finish(db, work.id)


async def _fail(services: Services, export_id: UUID, work: Work, reason: str) -> None:
    """Nothing will come of this export any more."""
    async with transaction(services) as db:
        row = await db.get(Export, export_id, with_for_update=True)
        if row is not None and row.state not in (State.READY, State.FAILED):
            row.state, row.failure, row.finished_at = State.FAILED.value, reason, services_of(db).clock()
            row.leaf_id = record(db, "export.failed", stream=_stream(row), actor=SYSTEM, data={"reason": reason})
        await finish(db, work.id, f"failed: {reason}")


def _stream(export: Export) -> str:
    return f"export:{export.id}"
