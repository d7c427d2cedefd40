"""Exports: asked for, listed, downloaded, only by compliance; every act and every refusal has its leaf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.audit import queries as audit
from app.audit.models import LogHead, SignedCheckpoint
from app.audit.service import record
from app.compliance import queries, sealed_file
from app.compliance.building import BUILD_EXPORT
from app.compliance.errors import BagMissing, ExportNotReady, ExportsNotForRole, NoSuchExport, NoSuchRoom
from app.compliance.models import Export
from app.compliance.ports import CompliancePorts
from app.compliance.rules import Scope, State, checked_reason, checked_scope
from app.conversations.models import Conversation
from app.database import reading, services_of, transaction
from app.errors import RiserboError, Unavailable
from app.ids import new_id
from app.notifications.service import enqueue
from app.permissions import Permission, held_by
from app.services import Services
from security.envelope import seal
from security.keys import DataKey

BATCH: Final = 16


@dataclass(frozen=True)
class ExportView:
    """An export with its reason, opened."""

    export: Export
    reason: str


@dataclass(frozen=True)
class Download:
    """A bag on its way out: `chunks` are opened as they leave, nothing in the clear is stored."""

    filename: str
    size: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class LogStatus:
    """The head of the log, how many leaves wait for a place, and the newest signed checkpoint."""

    head: LogHead
    pending: int
    checkpoint: SignedCheckpoint | None


async def new_key(services: Services, staff: Staff) -> DataKey:
    """The data key of an export to come, committed before the transaction that needs it; an unused one is swept.

    Raises `ExportsNotForRole`.
    """
    if Permission.EXPORTS_MAKE not in held_by(staff):
        async with transaction(services) as db:
            _refuse(db, staff, ExportsNotForRole())
    return await services.vault.create_key("export")


async def request_export(
    db: AsyncSession, staff: Staff, scope: str, conversation_id: UUID | None, reason: str, *, key: DataKey
) -> Export:
    """Ask for an export; the worker builds it. `key` is of `new_key`.

    Raises `ExportsNotForRole`, `ScopeUnclear`, `ReasonNeeded`, `NoSuchRoom`.
    """
    _require(db, staff, Permission.EXPORTS_MAKE)
    wanted, why = checked_scope(scope, conversation_id), checked_reason(reason)
    if wanted == Scope.ROOM and await db.get(Conversation, conversation_id) is None:
        _refuse(db, staff, NoSuchRoom())
    now = services_of(db).clock()
    export_id = new_id(now)
    export = Export(
        id=export_id,
        scope=wanted.value,
        conversation_id=conversation_id,
        requested_by=staff.id,
        sealed_reason=seal(key, queries.reason_place(export_id), why.encode()),
        key_id=key.id,
        state=State.REQUESTED.value,
        log_size=None,
        bytes=None,
        digest=None,
        failure=None,
        created_leaf=None,
        requested_at=now,
        finished_at=None,
        leaf_id=record(
            db,
            "export.requested",
            stream=f"export:{export_id}",
            actor=staff,
            data={"scope": wanted.value, "of": str(conversation_id or "")},
        ),
    )
    db.add(export)
    await enqueue(db, BUILD_EXPORT, {"export": str(export_id)}, key=key, dedupe=f"export:{export_id}")
    return export


async def list_exports(
    db: AsyncSession, staff: Staff, *, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[ExportView]:
    """Exports with their reasons, newest first; the reading has its leaf. Raises `ExportsNotForRole`."""
    _require(db, staff, Permission.EXPORTS_MAKE)
    _note_reading(db, staff, "exports")
    found = await queries.listed(db, staff, after=after, limit=limit)
    return [ExportView(export, await queries.reason_of(db, export)) for export in found]


async def read_export(db: AsyncSession, staff: Staff, export_id: UUID) -> ExportView:
    """One export; the reading has its leaf. Raises `NoSuchExport`."""
    export = await _found(db, staff, export_id)
    _note_reading(db, staff, "export")
    return ExportView(export, await queries.reason_of(db, export))


async def download(services: Services, ports: CompliancePorts, staff: Staff, export_id: UUID) -> Download:
    """The bag, opened as it leaves; `export.downloaded` is committed before the first byte.

    Raises `NoSuchExport`, alike for missing and forbidden, `ExportNotReady`, `BagMissing`.
    """
    async with transaction(services) as db:
        export = await _found(db, staff, export_id)
    if export.state != State.READY or export.bytes is None or export.digest is None:
        raise ExportNotReady
    if not await asyncio.to_thread(sealed_file.path_of(ports.folder, export.id).is_file):
        raise BagMissing
    key = await services.vault.key(export.key_id)
    async with transaction(services) as db:
        record(db, "export.downloaded", stream=f"export:{export.id}", actor=staff, data={"digest": export.digest})
    opened = sealed_file.open_file(key, export.id, ports.folder)
    return Download(f"riserbo-export-{export.id}.zip", export.bytes, _in_batches(opened))


async def log_status(db: AsyncSession, staff: Staff) -> LogStatus:
    """Where the evidence log stands; the reading has its leaf. Raises `ExportsNotForRole`."""
    _require(db, staff, Permission.AUDIT_READ)
    _note_reading(db, staff, "head")
    head = await audit.head(db)
    if head is None:
        raise Unavailable
    return LogStatus(head, await audit.pending_count(db), await audit.latest_checkpoint(db))


async def read_trust(
    services: Services, ports: CompliancePorts, staff: Staff, *, export_id: UUID | None = None
) -> dict[str, object]:
    """`trust_document` for an officer, as of now or as of an export; the reading has its leaf.

    Raises `ExportsNotForRole`, `NoSuchExport`, `ExportNotReady`.
    """
    as_of = None
    async with transaction(services) as db:
        _require(db, staff, Permission.AUDIT_READ)
        if export_id is not None:
            as_of = (await _found(db, staff, export_id)).log_size
            if as_of is None:
                raise ExportNotReady
        _note_reading(db, staff, "trust")
    return await trust_document(services, ports, ports.export_key.name.removesuffix("/export"), as_of=as_of)


async def trust_document(
    services: Services, ports: CompliancePorts, origin: str, *, as_of: int | None = None
) -> dict[str, object]:
    """What `trust.json` holds: both public keys and the newest checkpoint (docs/formats/trust.md).

    A bag must reach at least as far as that checkpoint. So the file is taken before the export is asked for; or, for
    a bag that is there already, `as_of` its size in leaves.
    """
    async with reading(services) as db:
        newest = await queries.newest_checkpoint(db, as_of)
    return {
        "version": 1,
        "origin": origin,
        "log_keys": [ports.log_vkey],
        "export_keys": [ports.export_key.vkey()],
        "newest_checkpoint": newest.note if newest is not None else None,
    }


async def _found(db: AsyncSession, staff: Staff, export_id: UUID) -> Export:
    export = await queries.find(db, staff, export_id)
    if export is None:
        _refuse(db, staff, NoSuchExport())
    return export


def _require(db: AsyncSession, staff: Staff, permission: Permission) -> None:
    if permission not in held_by(staff):
        _refuse(db, staff, ExportsNotForRole())


def _refuse(db: AsyncSession, staff: Staff, refusal: RiserboError) -> NoReturn:
    """Raise, and leave a leaf; the refusal keeps it."""
    record(db, "export.refused", stream=f"staff:{staff.id}", actor=staff, data={"reason": refusal.code})
    raise refusal


def _note_reading(db: AsyncSession, staff: Staff, part: str) -> None:
    record(db, "audit.read", stream=f"staff:{staff.id}", actor=staff, data={"part": part})


async def _in_batches(opened: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Opened and read in a thread, a megabyte at a time, so that a large bag does not hold up the rooms."""

    def batch() -> bytes:
        return b"".join(islice(opened, BATCH))

    while part := await asyncio.to_thread(batch):
        yield part
