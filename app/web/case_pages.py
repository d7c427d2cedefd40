"""One case: public thread beside the room, and what the desk does with it. A refusal shows the page again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents.dependencies import CurrentStaff
from app.agents.queries import desk_member
from app.cases import service as case_service
from app.cases.rules import Status
from app.conversations.errors import NotYourRoom
from app.conversations.service import close_rooms_of_case
from app.database import transaction
from app.errors import Conflict, Invalid, NotFound, RiserboError, Unauthenticated
from app.guard.models import Verdict
from app.guard.service import text_hash
from app.handover import service as handover
from app.handover.errors import GuardBlocked
from app.handover.routes import reply_out
from app.handover.schemas import ReplyOut
from app.http.dependencies import CurrentServices, Now
from app.limits.dependencies import Idempotent
from app.services import Services
from app.web.case_view import LONGEST_REPLY, OUTCOMES, Shown, case_view, ports_of
from app.web.desk import DeskRoute, checked_text
from app.web.drafts import draft_of
from app.web.pages import Form, page, see_other
from app.web.views import NoticeName

router = APIRouter(include_in_schema=False, route_class=DeskRoute)
LONGEST_NOTE: Final = 2000
LONGEST_REASON: Final = 500
SHORTEST_OVERRIDE_REASON: Final = 10


@router.get("/cases/{case_id}")
async def case(
    request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices, room: UUID | None = None
) -> Response:
    """The case; `room` chooses among several rooms."""
    return await case_page(request, services, staff, case_id, Shown(room=room))


@router.post("/cases/{case_id}/claim")
async def claim(request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices) -> Response:
    """Take an unclaimed case."""

    async def act(db: AsyncSession) -> None:
        await case_service.claim(db, staff, case_id)

    return await _acted(request, services, staff, case_id, act, "claimed")


@router.post("/cases/{case_id}/transfer")
async def transfer(
    request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """Give the case to a colleague or back to the queue; why becomes an internal note of the one who had it."""

    async def act(db: AsyncSession) -> None:
        reason = checked_text(form.get("reason", ""), LONGEST_REASON)
        chosen = form.get("agent", "")
        to = (await desk_member(db, _id(chosen))).id if chosen else None
        await case_service.add_note(db, staff, case_id, reason)
        await case_service.transfer(db, staff, case_id, to)

    return await _acted(request, services, staff, case_id, act, "transferred")


@router.post("/cases/{case_id}/notes")
async def add_note(
    request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """Add an internal note."""

    async def act(db: AsyncSession) -> None:
        await case_service.add_note(db, staff, case_id, checked_text(form.get("text", ""), LONGEST_NOTE))

    return await _acted(request, services, staff, case_id, act, "note_added")


@router.post("/cases/{case_id}/close")
async def close(
    request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """End the work with an outcome; the case's rooms close with it."""

    async def act(db: AsyncSession) -> None:
        outcome = next((stored for shown, stored in OUTCOMES.items() if shown == form.get("outcome")), None)
        if outcome is None:
            raise Invalid
        if form.get("note", "").strip():
            await case_service.add_note(db, staff, case_id, checked_text(form["note"], LONGEST_REASON))
        await case_service.close(db, staff, case_id, outcome)
        await close_rooms_of_case(db, staff, case_id)

    return await _acted(request, services, staff, case_id, act, "closed")


@router.post("/cases/{case_id}/replies")
async def reply(
    request: Request, case_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form, now: Now
) -> Response:
    """Check a public reply, publish it, or let a blocked one leave as the second person."""
    if form.get("intent") == "override":

        async def act(db: AsyncSession) -> None:
            await _override(request, db, staff, case_id, form)

        return await _acted(request, services, staff, case_id, act, "reply_sent")
    return await _reply(request, services, staff, case_id, form, now)


async def case_page(
    request: Request, services: Services, staff: Staff, case_id: UUID, shown: Shown, status: int = 200
) -> Response:
    """The case's page. A room that was asked for and is not this member's is refused, and the page shown without."""
    try:
        view = await case_view(request, services, staff, case_id, shown)
    except NotYourRoom as refusal:
        view = await case_view(request, services, staff, case_id, Shown(error=refusal.message))
        status = refusal.status
    return page(request, view, status)


async def refused_page(
    request: Request, services: Services, staff: Staff, case_id: UUID, refusal: RiserboError, shown: Shown
) -> Response:
    """The page again, with the refusal's own status; who has no session any more, or no such case, sees nothing."""
    if isinstance(refusal, Unauthenticated | NotFound):
        raise refusal
    return await case_page(request, services, staff, case_id, shown, refusal.status)


async def _acted(
    request: Request,
    services: Services,
    staff: Staff,
    case_id: UUID,
    act: Callable[[AsyncSession], Awaitable[None]],
    said: NoticeName,
) -> Response:
    """One act in one transaction, then the case again; a refusal decides itself whether it keeps its changes."""
    try:
        async with transaction(services) as db:
            await act(db)
    except RiserboError as refusal:
        return await refused_page(request, services, staff, case_id, refusal, Shown(error=refusal.message))
    return see_other(f"/cases/{case_id}", said)


async def _reply(
    request: Request, services: Services, staff: Staff, case_id: UUID, form: Form, now: datetime
) -> Response:
    """A warning is published once it was seen, for exactly the text that it was about; a block never by its author."""
    typed = form.get("text", "")
    draft = None
    try:
        text = checked_text(typed, LONGEST_REPLY)
        async with transaction(services) as db:
            verdict = await handover.check(db, ports_of(request), staff, case_id, text)
        draft = draft_of(text, verdict)
        seen = form.get("acknowledge") == "yes" and form.get("text_hash") == verdict.text_hash
        if form.get("intent") != "publish" or (verdict.verdict == "warn" and not seen):
            status = 422 if form.get("intent") == "publish" else 200
            return await case_page(request, services, staff, case_id, Shown(reply=typed, draft=draft), status)
        await _publish(request, services, staff, case_id, (text, verdict), _once(case_id, text, form, now))
    except RiserboError as refusal:
        # A blocked text stands among those that wait for a second person; shown once, not twice.
        left = None if isinstance(refusal, GuardBlocked) else draft
        shown = Shown(error=refusal.message, reply=typed, draft=left)
        return await refused_page(request, services, staff, case_id, refusal, shown)
    return see_other(f"/cases/{case_id}", "reply_sent")


def _once(case_id: UUID, text: str, form: Form, now: datetime) -> Idempotent:
    """A double click sends once: the form's own key plays the part of the API's Idempotency-Key."""
    key = form.get("idempotency_key", "")
    if not key.isascii() or not 1 <= len(key) <= 255:
        raise Invalid
    return Idempotent(key, f"POST /cases/{case_id}/replies", text.encode(), now)


async def _publish(
    request: Request, services: Services, staff: Staff, case_id: UUID, judged: tuple[str, Verdict], once: Idempotent
) -> None:
    text, verdict = judged
    ports = ports_of(request)
    async with transaction(services) as db:
        found = await case_service.workable(db, staff, case_id, "reply")
        purpose = handover.CLOSING if found.status == Status.CLOSED else handover.ANSWER

        async def act() -> ReplyOut:
            return reply_out(await handover.publish(db, ports, staff, case_id, text, purpose=purpose))

        if verdict.verdict == "block":
            await _refuse_known_block(db, staff, case_id, text)
            await act()
        else:
            await once.answer(db, staff.id, 303, act)


async def _refuse_known_block(db: AsyncSession, staff: Staff, case_id: UUID, text: str) -> None:
    """The same text of the same author waits once, however often it is sent; the case's row is held."""
    for block in await handover.blocks_of(db, staff, case_id):
        if block.author_id == staff.id and await handover.block_text(db, block) == text:
            raise GuardBlocked(block.id, [])


async def _override(request: Request, db: AsyncSession, staff: Staff, case_id: UUID, form: Form) -> None:
    """Exactly the text that the supervisor saw leaves, with a reason."""
    reason = checked_text(form.get("override_reason", ""), LONGEST_REASON)
    if len(reason.strip()) < SHORTEST_OVERRIDE_REASON:
        raise Invalid
    wanted = _id(form.get("block", ""))
    block = next((one for one in await handover.blocks_of(db, staff, case_id) if one.id == wanted), None)
    if block is None:
        raise Conflict
    if text_hash(await handover.block_text(db, block)) != form.get("text_hash"):
        raise Conflict
    await handover.override(db, ports_of(request), staff, block.id, reason)


def _id(text: str) -> UUID:
    """An id that a form carries; raises `Invalid`."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid from None
