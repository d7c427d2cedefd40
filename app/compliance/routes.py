"""`/api/v1/exports` and `/api/v1/audit`: ask for a bag, fetch it, fetch what to trust, see where the log stands."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from app.agents.dependencies import CurrentStaff
from app.compliance import service
from app.compliance.ports import CompliancePorts
from app.compliance.schemas import ExportIn, ExportOut, ExportQuery, ExportsOut, LogOut, TrustOut
from app.compliance.service import ExportView
from app.database import transaction
from app.http.dependencies import CurrentServices, Db
from app.http.pages import decode_cursor, encode_cursor
from app.limits.dependencies import Once
from app.sign_on.dependencies import FreshStaff

router = APIRouter(prefix="/api/v1", tags=["compliance"])


def _ports(request: Request) -> CompliancePorts:
    ports: CompliancePorts = request.app.state.compliance_ports
    return ports


Ports = Annotated[CompliancePorts, Depends(_ports)]


@router.post("/exports", status_code=202, response_model=ExportOut)
async def ask_for_export(body: ExportIn, staff: FreshStaff, services: CurrentServices, once: Once) -> JSONResponse:
    """Ask for an export; the worker builds its bag. Repeated under one Idempotency-Key, it is one export."""
    key = await service.new_key(services, staff)
    async with transaction(services) as db:

        async def act() -> ExportOut:
            export = await service.request_export(db, staff, body.scope, body.conversation_id, body.reason, key=key)
            return export_out(ExportView(export, body.reason))

        return await once.answer(db, staff.id, 202, act)


@router.get("/exports")
async def list_exports(
    request: Request, response: Response, staff: CurrentStaff, db: Db, wanted: Annotated[ExportQuery, Query()]
) -> ExportsOut:
    """Exports, newest first; the reading leaves a leaf."""
    found = await service.list_exports(db, staff, after=decode_cursor(wanted.cursor), limit=wanted.limit + 1)
    page = found[: wanted.limit]
    following = None
    if len(found) > wanted.limit:
        following = encode_cursor(page[-1].export.requested_at, page[-1].export.id)
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    return ExportsOut(items=[export_out(view) for view in page], next=following)


@router.get("/exports/trust")
async def trust(
    staff: CurrentStaff, services: CurrentServices, ports: Ports, export: Annotated[UUID | None, Query()] = None
) -> TrustOut:
    """The content of `trust.json`, as of now: take it before asking for the export that it is to check.

    With `export`, as of that export: a bag is older than what the log has signed since.
    """
    return TrustOut.model_validate(await service.read_trust(services, ports, staff, export_id=export))


@router.get("/exports/{export_id}")
async def read_export(export_id: UUID, staff: CurrentStaff, db: Db) -> ExportOut:
    """One export and its state; the reading leaves a leaf."""
    return export_out(await service.read_export(db, staff, export_id))


@router.get("/exports/{export_id}/bag", response_class=StreamingResponse)
async def download(export_id: UUID, staff: FreshStaff, services: CurrentServices, ports: Ports) -> StreamingResponse:
    """The bag as a zip; its leaf is durable before the first byte leaves."""
    return bag_response(await service.download(services, ports, staff, export_id))


@router.get("/audit")
async def log_status(staff: CurrentStaff, db: Db) -> LogOut:
    """Where the evidence log stands; the reading leaves a leaf."""
    status = await service.log_status(db, staff)
    checkpoint = status.checkpoint
    return LogOut(
        origin=status.head.origin,
        size=status.head.size,
        root=status.head.root.hex(),
        pending=status.pending,
        checkpoint=checkpoint.note if checkpoint else None,
        checkpoint_size=checkpoint.size if checkpoint else 0,
        checkpoint_at=checkpoint.created_at if checkpoint else None,
    )


def bag_response(bag: service.Download) -> StreamingResponse:
    """A bag as an answer. Its length is declared, so that a cut transfer is noticed; nothing may keep a copy."""
    headers = {
        "Content-Disposition": f'attachment; filename="{bag.filename}"',
        "Content-Length": str(bag.size),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(bag.chunks, media_type="application/zip", headers=headers)


def export_out(view: ExportView) -> ExportOut:
    """An export as it crosses the wire."""
    export = view.export
    return ExportOut(
        id=export.id,
        scope=export.scope,
        conversation_id=export.conversation_id,
        state=export.state,
        reason=view.reason,
        requested_by=export.requested_by,
        requested_at=export.requested_at,
        finished_at=export.finished_at,
        log_size=export.log_size,
        bytes=export.bytes,
        digest=export.digest,
        failure=export.failure,
    )
