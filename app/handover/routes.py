"""`/api/v1/cases/{id}/replies`: check, publish, list; and the second person's decision over a block."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app.agents.dependencies import CurrentStaff
from app.audit.service import record
from app.cases import queries as cases
from app.cases.service import workable
from app.handover import queries, service
from app.handover.models import Reply
from app.handover.ports import HandoverPorts
from app.handover.schemas import BlockOut, CheckIn, CheckOut, OverrideIn, ReplyIn, ReplyOut
from app.http.dependencies import Db
from app.limits.dependencies import Once

router = APIRouter(prefix="/api/v1", tags=["replies"])


def handover_ports(request: Request) -> HandoverPorts:
    """The ports that `main` gave this door."""
    ports: HandoverPorts = request.app.state.handover_ports
    return ports


@router.post("/cases/{case_id}/replies/check")
async def check_reply(request: Request, case_id: UUID, body: CheckIn, staff: CurrentStaff, db: Db) -> CheckOut:
    """What the leak guard says about a text; nothing is stored."""
    verdict = await service.check(db, handover_ports(request), staff, case_id, body.text)
    return CheckOut(verdict=verdict.verdict, findings=[finding.as_json() for finding in verdict.findings])


@router.post("/cases/{case_id}/replies")
async def publish_reply(
    request: Request, case_id: UUID, body: ReplyIn, staff: CurrentStaff, db: Db, once: Once
) -> JSONResponse:
    """Register a public reply and post it; 422 `guard_blocked` when the guard blocks it."""

    async def act() -> ReplyOut:
        ports = handover_ports(request)
        return reply_out(await service.publish(db, ports, staff, case_id, body.text, purpose=body.purpose))

    return await once.answer(db, staff.id, 202, act, still=partial(workable, db, staff, case_id, "reply"))


@router.get("/cases/{case_id}/replies")
async def list_replies(case_id: UUID, staff: CurrentStaff, db: Db) -> list[ReplyOut]:
    """The bank's public replies of a case, oldest first; the reading leaves a leaf."""
    case = await cases.get(db, staff, case_id)
    record(db, "case.read", stream=f"case:{case.id}", actor=staff, data={"part": "replies"})
    return [
        ReplyOut(
            id=one.id,
            state=one.state,
            text=one.text,
            url=one.url,
            purpose=one.purpose,
            created_at=one.created_at,
            posted_at=one.posted_at,
        )
        for one in await queries.replies_of(db, case)
    ]


@router.get("/cases/{case_id}/blocks")
async def list_blocks(case_id: UUID, staff: CurrentStaff, db: Db) -> list[BlockOut]:
    """Blocked texts of a case that wait for a second person; the reading leaves a leaf."""
    record(
        db, "case.read", stream=f"case:{(await cases.get(db, staff, case_id)).id}", actor=staff, data={"part": "blocks"}
    )
    return [
        BlockOut(
            id=block.id,
            author_id=block.author_id,
            text=await service.block_text(db, block),
            created_at=block.created_at,
        )
        for block in await service.blocks_of(db, staff, case_id)
    ]


@router.post("/blocks/{block_id}/override")
async def override_block(
    request: Request, block_id: UUID, body: OverrideIn, staff: CurrentStaff, db: Db, once: Once
) -> JSONResponse:
    """Let a blocked text leave after all: a supervisor, never its author."""

    async def act() -> ReplyOut:
        return reply_out(await service.override(db, handover_ports(request), staff, block_id, body.reason))

    return await once.answer(db, staff.id, 202, act)


def reply_out(reply: Reply) -> ReplyOut:
    """A reply as it crosses the wire, without its text."""
    return ReplyOut(
        id=reply.id,
        state=reply.state,
        purpose=reply.purpose,
        created_at=reply.created_at,
        posted_at=reply.posted_at,
    )
