"""The compliance officer's pages: ask for an export, fetch its bag, see where the evidence log stands."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents.dependencies import CurrentStaff
from app.agents.queries import names as staff_names
from app.audit.models import Leaf, PendingLeaf, SequencedLeaf
from app.compliance import service
from app.compliance.errors import ExportsNotForRole, ScopeUnclear
from app.compliance.ports import CompliancePorts
from app.compliance.queries import newest_rooms
from app.compliance.routes import bag_response
from app.compliance.service import ExportView, LogStatus
from app.database import transaction
from app.errors import RiserboError, Unauthenticated
from app.http.dependencies import CurrentServices
from app.services import Services
from app.sign_on.dependencies import FreshStaff
from app.web.desk import DeskRoute, reference_of, staff_bar
from app.web.notices import notice_of
from app.web.pages import Form, page, see_other, site_of
from app.web.staff_views import ExportRow, Exports, LogHealth, RoomChoice

router = APIRouter(include_in_schema=False, route_class=DeskRoute)
COVERED_WITHIN: Final = timedelta(minutes=2)
UNITS: Final = ("kB", "MB", "GB")
LONGEST_ROOM: Final = 60
LONGEST_REASON: Final = 500


@router.get("/exports")
async def exports(request: Request, staff: CurrentStaff, services: CurrentServices) -> Response:
    """Exports so far, and the log."""
    return page(request, await _view(request, services, staff))


@router.post("/exports")
async def ask_for_export(request: Request, staff: FreshStaff, services: CurrentServices, form: Form) -> Response:
    """Ask for an export; the worker builds it."""
    scope, room, reason = form.get("scope", ""), form.get("room", "").strip(), form.get("reason", "")
    try:
        key = await service.new_key(services, staff)
        async with transaction(services) as db:
            await service.request_export(db, staff, scope, _room(room), reason, key=key)
    except (ExportsNotForRole, Unauthenticated):
        raise
    except RiserboError as refusal:
        kept: Literal["log", "room"] = "room" if scope == "room" else "log"
        typed = (kept, room[:LONGEST_ROOM], reason[:LONGEST_REASON])
        return page(request, await _view(request, services, staff, refusal.message, typed), refusal.status)
    return see_other("/exports", "export_requested")


@router.get("/exports/{export_id}/download")
async def download(request: Request, export_id: UUID, staff: FreshStaff, services: CurrentServices) -> Response:
    """The bag; its leaf is durable before the first byte leaves."""
    ports: CompliancePorts = request.app.state.compliance_ports
    return bag_response(await service.download(services, ports, staff, export_id))


@router.get("/exports/{export_id}/trust")
async def trust(request: Request, export_id: UUID, staff: CurrentStaff, services: CurrentServices) -> Response:
    """What the bag is checked against, as of that export; kept apart from the bag it is worth more."""
    ports: CompliancePorts = request.app.state.compliance_ports
    document = await service.read_trust(services, ports, staff, export_id=export_id)
    headers = {"Content-Disposition": f'attachment; filename="trust-{export_id}.json"'}
    return JSONResponse(document, headers=headers)


def _room(text: str) -> UUID | None:
    """The room that was typed, if any; raises `ScopeUnclear` for what is no id."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise ScopeUnclear from None


async def _view(
    request: Request,
    services: Services,
    staff: Staff,
    error: str = "",
    typed: tuple[Literal["log", "room"], str, str] = ("log", "", ""),
) -> Exports:
    """What the officer sees; the readings' leaves are committed before it leaves."""
    now = services.clock()
    async with transaction(services) as db:
        found = await service.list_exports(db, staff)
        status = await service.log_status(db, staff)
        names = await staff_names(db)
        rooms = await newest_rooms(db, staff)
        health = _health(status, await _oldest_uncovered(db, status), now)
    scope, typed_room, reason = typed
    return Exports(
        site=site_of(request),
        now=now,
        error=error,
        notice=notice_of(request),
        staff=staff_bar(request, staff),
        rows=tuple(_row(one, names.get(one.export.requested_by, "")) for one in found),
        log=health,
        rooms=tuple(
            RoomChoice(id=room.id, reference=reference_of(room.case_id), opened_at=room.opened_at) for room in rooms
        ),
        scope=scope,
        room=typed_room,
        reason=reason,
    )


def _row(view: ExportView, requested_by: str) -> ExportRow:
    export = view.export
    return ExportRow(
        id=export.id,
        scope="room" if export.scope == "room" else "log",
        room=str(export.conversation_id or ""),
        reason=view.reason,
        requested_by=requested_by,
        requested_at=export.requested_at,
        state=cast("Literal['requested', 'building', 'ready', 'failed']", export.state),
        size=shown_size(export.bytes) if export.bytes is not None else "",
        leaves=export.log_size or 0,
    )


def shown_size(count: int) -> str:
    """Bytes for the eye: "48 kB", "1.2 MB"; thousands, as the International System of Units counts."""
    size = count / 1000
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"


def _health(status: LogStatus, oldest_uncovered: datetime | None, now: datetime) -> LogHealth:
    """In order while every leaf comes under a signed checkpoint soon."""
    checkpoint = status.checkpoint
    waiting = now - oldest_uncovered if oldest_uncovered else timedelta(0)
    return LogHealth(
        origin=status.head.origin,
        size=status.head.size,
        pending=status.pending,
        checkpoint_size=checkpoint.size if checkpoint else 0,
        checkpoint_at=checkpoint.created_at if checkpoint else None,
        root=status.head.root.hex(),
        healthy=checkpoint is not None and waiting <= COVERED_WITHIN,
    )


async def _oldest_uncovered(db: AsyncSession, status: LogStatus) -> datetime | None:
    """When the oldest leaf was written that no signed checkpoint covers yet."""
    covered = status.checkpoint.size if status.checkpoint else 0
    statement = select(Leaf.leaf).order_by(Leaf.stage_no).limit(1)
    if status.head.size > covered:
        placed = SequencedLeaf.stage_no == Leaf.stage_no
        statement = select(Leaf.leaf).join(SequencedLeaf, placed).where(SequencedLeaf.leaf_index == covered)
    else:
        statement = statement.join(PendingLeaf, PendingLeaf.stage_no == Leaf.stage_no)
    leaf = (await db.execute(statement)).scalar_one_or_none()
    return datetime.fromisoformat(json.loads(leaf)["at"]) if leaf is not None else None
