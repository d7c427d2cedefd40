"""`/api/v1/cases`: the queue, one case with its thread, and what an agent does with it."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.dependencies import CurrentStaff
from app.agents.queries import desk_member
from app.audit.service import record
from app.cases import queries, service
from app.cases.models import Case
from app.cases.queries import CaseFilter
from app.cases.rules import is_overdue
from app.cases.schemas import (
    AuthorOut,
    CaseDetailOut,
    CaseOut,
    CaseQuery,
    CasesOut,
    ClockOut,
    NoteIn,
    NoteOut,
    PostOut,
    TransferIn,
)
from app.channels.ports import Subject
from app.database import services_of
from app.http.dependencies import Db, ReadDb
from app.http.pages import decode_cursor, encode_cursor
from app.limits.dependencies import Once

router = APIRouter(prefix="/api/v1", tags=["cases"])


@router.get("/cases")
async def list_cases(
    request: Request, response: Response, staff: CurrentStaff, db: ReadDb, wanted: Annotated[CaseQuery, Query()]
) -> CasesOut:
    """The queue, oldest first; without a status, everything that is not closed. A leaf a minute says who looked."""
    await service.note_queue_read(services_of(db), staff)
    chosen = CaseFilter(wanted.status, wanted.assigned, wanted.network)
    found = await queries.listed(db, staff, chosen, after=decode_cursor(wanted.cursor), limit=wanted.limit + 1)
    page = found[: wanted.limit]
    following = encode_cursor(page[-1].opened_at, page[-1].id) if len(found) > wanted.limit else None
    if following:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    return CasesOut(items=[await case_out(request, db, case) for case in page], next=following)


@router.get("/cases/{case_id}")
async def read_case(request: Request, response: Response, case_id: UUID, staff: CurrentStaff, db: Db) -> CaseDetailOut:
    """One case with its public thread and notes; the reading leaves a leaf. The ETag is the case's version."""
    case = await queries.get(db, staff, case_id)
    record(db, "case.read", stream=f"case:{case.id}", actor=staff, data={"part": "thread"})
    response.headers["ETag"] = f'"{case.version}"'
    return await _detail(request, db, case)


@router.post("/cases/{case_id}/claim")
async def claim_case(request: Request, case_id: UUID, staff: CurrentStaff, db: Db, once: Once) -> JSONResponse:
    """Take an unclaimed case."""

    async def act() -> CaseOut:
        return await case_out(request, db, await service.claim(db, staff, case_id))

    return await once.answer(db, staff.id, 200, act, still=partial(service.workable, db, staff, case_id, "claim"))


@router.post("/cases/{case_id}/transfer")
async def transfer_case(
    request: Request, case_id: UUID, body: TransferIn, staff: CurrentStaff, db: Db, once: Once
) -> JSONResponse:
    """Give a case to another member of the desk, or back to the queue."""

    async def act() -> CaseOut:
        to = (await desk_member(db, body.to)).id if body.to is not None else None
        return await case_out(request, db, await service.transfer(db, staff, case_id, to))

    # who gave a case away may ask again whether it is gone
    return await once.answer(db, staff.id, 200, act)


@router.post("/cases/{case_id}/notes")
async def add_note(case_id: UUID, body: NoteIn, staff: CurrentStaff, db: Db, once: Once) -> JSONResponse:
    """Add an internal note; it never leaves the desk."""

    async def act() -> NoteOut:
        note = await service.add_note(db, staff, case_id, body.text)
        return NoteOut(id=note.id, author_id=staff.id, text=body.text, created_at=note.created_at)

    return await once.answer(db, staff.id, 201, act, still=partial(service.workable, db, staff, case_id, "note"))


async def case_out(request: Request, db: AsyncSession, case: Case) -> CaseOut:
    """A case as it crosses the wire."""
    now = services_of(db).clock()
    link = f"{request.app.state.public_url}/c/{case.slug}"
    return CaseOut(
        id=case.id,
        link=link,
        network=case.network,
        author=author_out(await queries.author_of(db, case)),
        status=case.status,
        assigned_to=case.assigned_to,
        opened_at=case.opened_at,
        first_answer=ClockOut(
            due_at=case.first_answer_due,
            stopped_at=case.first_answered_at,
            overdue=is_overdue(case.first_answer_due, case.first_answered_at, now),
        ),
        resolution=ClockOut(
            due_at=case.resolution_due,
            stopped_at=case.closed_at,
            overdue=is_overdue(case.resolution_due, case.closed_at, now),
        ),
        outcome=case.outcome,
        rating=case.rating,
        reopened=case.reopened,
        version=case.version,
    )


def author_out(subject: Subject) -> AuthorOut:
    """A social account as it crosses the wire: without its immutable id."""
    return AuthorOut(network=subject.network, handle=subject.handle, display_name=subject.display_name)


async def _detail(request: Request, db: AsyncSession, case: Case) -> CaseDetailOut:
    summary = await case_out(request, db, case)
    thread = [
        PostOut(
            id=post.id,
            author=author_out(post.author),
            text=post.text,
            url=post.url,
            kind=post.kind,
            posted_at=post.posted_at,
        )
        for post in await queries.thread_of(db, case)
    ]
    notes = [
        NoteOut(id=note.id, author_id=note.author_id, text=note.text, created_at=note.created_at)
        for note in await queries.notes_of(db, case)
    ]
    return CaseDetailOut(**summary.model_dump(), thread=thread, notes=notes)
