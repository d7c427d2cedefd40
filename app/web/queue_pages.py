"""The desk's queue: most urgent first, filtered, paged, with unread counts; a fixed number of queries per page.

Here a supervisor also ends the links of a customer who phones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents.dependencies import CurrentStaff
from app.agents.queries import names as staff_names
from app.binding import ending
from app.binding.schemas import LONGEST_NUMBER
from app.cases import queries as cases
from app.cases import service as case_service
from app.cases.models import Case, Post
from app.cases.rules import Status
from app.conversations import queries as rooms
from app.conversations.models import Conversation
from app.database import reading, services_of, transaction
from app.errors import Invalid, RiserboError, TooLarge
from app.http.dependencies import CurrentServices, Now, ReadDb
from app.http.pages import decode_cursor, encode_cursor
from app.permissions import Permission, held_by, require
from app.web.desk import (
    DeskRoute,
    checked_text,
    first_answer_clock,
    reason_of,
    reference_of,
    resolution_clock,
    staff_bar,
    status_of,
)
from app.web.notices import notice_of
from app.web.pages import Form, page, page_settings, see_other, site_of
from app.web.staff_views import Queue, QueueFilter, QueueRow

router = APIRouter(include_in_schema=False, route_class=DeskRoute)
PAGE: Final = 50
LONGEST_EXCERPT: Final = 160

# The clock that runs: the first answer's until there is one, then the resolution's.
urgency: Final = case((Case.first_answered_at.is_(None), Case.first_answer_due), else_=Case.resolution_due)
OPEN_ROOM: Final = exists().where(Conversation.case_id == Case.id, Conversation.state == "open")
SOMEBODY_IN: Final = exists().where(
    Conversation.case_id == Case.id, Conversation.state == "open", Conversation.session_id.is_not(None)
)
UNCLOSED: Final = Case.status != Status.CLOSED
# The same distinctions as `desk.status_of`, for the database.
HAS_STATUS: Final[dict[str, ColumnElement[bool]]] = {
    "open": and_(Case.status == Status.OPEN, Case.reopened == 0, ~OPEN_ROOM),
    "claimed": and_(Case.status == Status.CLAIMED, Case.reopened == 0, ~OPEN_ROOM),
    "answered": and_(Case.status == Status.ANSWERED, ~OPEN_ROOM),
    "in_room": and_(UNCLOSED, SOMEBODY_IN),
    "waiting_customer": and_(UNCLOSED, OPEN_ROOM, ~SOMEBODY_IN),
    "reopened": and_(Case.status.in_([Status.OPEN, Status.CLAIMED]), Case.reopened > 0, ~OPEN_ROOM),
    "closed": Case.status == Status.CLOSED,
}


@router.get("/queue")
async def queue(request: Request, staff: CurrentStaff, db: ReadDb, now: Now) -> Response:
    """The cases that wait for the desk."""
    return await _queue_page(request, staff, db, now)


@router.post("/revocations")
async def end_links(request: Request, staff: CurrentStaff, services: CurrentServices, now: Now, form: Form) -> Response:
    """A customer phones, and no case is at hand: all their links end. Supervisors only."""
    require(staff, Permission.BINDINGS_REVOKE_ANY)
    typed = form.get("customer_number", "")
    try:
        because, number = reason_of(form), checked_text(typed, LONGEST_NUMBER)
        spelt = await ending.spelling_of(request.app.state.binding_ports, staff, number)
        async with transaction(services) as db:
            ended = await ending.end_links_of(db, staff, spelt, because)
    except (Invalid, TooLarge) as refusal:
        async with reading(services) as db:
            return await _queue_page(request, staff, db, now, refused=(refusal, form))
    return see_other("/queue", "links_ended" if ended else "no_link_held")


async def _queue_page(
    request: Request,
    staff: Staff,
    db: AsyncSession,
    now: datetime,
    refused: tuple[RiserboError, Mapping[str, str]] | None = None,
) -> Response:
    """The queue; with a refusal, its sentence and what had been typed."""
    require(staff, Permission.CASES_READ)
    await case_service.note_queue_read(services_of(db), staff)
    refusal, typed = refused or (None, {})
    wanted = _filter(request)
    after = decode_cursor(request.query_params.get("after"))
    found = await _listed(db, staff, wanted, after)
    shown = found[:PAGE]
    figures = await _figures(db, staff, now)
    view = Queue(
        site=site_of(request),
        now=now,
        notice=notice_of(request),
        error=refusal.message if refusal is not None else "",
        staff=staff_bar(request, staff),
        rows=await _rows(request, db, staff, shown, now),
        filter=wanted,
        networks=_networks(request),
        waiting=figures[0],
        mine=figures[1],
        late=figures[2],
        unread=await _unread_of_mine(db, staff),
        next_page=_next_page(wanted, shown[-1]) if len(found) > PAGE else "",
        may_end_links=Permission.BINDINGS_REVOKE_ANY in held_by(staff),
        customer_number=typed.get("customer_number", ""),
        because=typed.get("because", ""),
    )
    return page(request, view, refusal.status if refusal is not None else 200)


def _filter(request: Request) -> QueueFilter:
    """What was asked for; a value that is not one of ours means all."""
    query = request.query_params
    status, network = query.get("status", ""), query.get("network", "")
    asked: tuple[Literal["me", "nobody"], ...] = ("me", "nobody")
    return QueueFilter(
        status=status if status in HAS_STATUS else "",
        assigned=next((one for one in asked if one == query.get("assigned")), "any"),
        network=network if network in dict(_networks(request)) else "",
    )


def _networks(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple({one.network: one.label for one in page_settings(request).connectors}.items())


def _due(one: Case) -> datetime:
    return one.first_answer_due if one.first_answered_at is None else one.resolution_due


def _next_page(wanted: QueueFilter, last: Case) -> str:
    query = {"assigned": wanted.assigned, "status": wanted.status, "network": wanted.network}
    return "/queue?" + urlencode({**query, "after": encode_cursor(_due(last), last.id)})


async def _listed(
    db: AsyncSession, staff: Staff, wanted: QueueFilter, after: tuple[datetime, UUID] | None
) -> list[Case]:
    """One more than a page, so that it is known whether there is another."""
    statement = cases.visible_to(staff).where(HAS_STATUS.get(wanted.status, UNCLOSED))
    if wanted.assigned == "me":
        statement = statement.where(Case.assigned_to == staff.id)
    elif wanted.assigned == "nobody":
        statement = statement.where(Case.assigned_to.is_(None))
    if wanted.network:
        statement = statement.where(Case.network == wanted.network)
    if after is not None:
        due, case_id = after
        statement = statement.where(or_(urgency > due, and_(urgency == due, Case.id > case_id)))
    return list((await db.execute(statement.order_by(urgency, Case.id).limit(PAGE + 1))).scalars())


async def _rows(
    request: Request, db: AsyncSession, staff: Staff, shown: Sequence[Case], now: datetime
) -> tuple[QueueRow, ...]:
    ids = [one.id for one in shown]
    rooms_by_case: dict[UUID, list[Conversation]] = defaultdict(list)
    for room in await rooms.rooms_of_case(db, ids):
        rooms_by_case[room.case_id].append(room)
    room_ids = [room.id for some in rooms_by_case.values() for room in some]
    unread = await rooms.unread_counts(db, room_ids, "agent")
    names, excerpts = await staff_names(db), await _excerpts(db, ids)
    label = page_settings(request).label
    rows = [
        QueueRow(
            id=one.id,
            reference=reference_of(one.id),
            author=f"@{(await cases.author_of(db, one)).handle.lstrip('@')}",
            network=label(one.connector),
            excerpt=excerpts.get(one.id, ""),
            status=status_of(one, rooms_by_case[one.id]),
            opened_at=one.opened_at,
            first_answer=first_answer_clock(one, now),
            resolution=resolution_clock(one, now),
            unread=sum(unread.get(room.id, 0) for room in rooms_by_case[one.id]),
            level=max((room.level for room in rooms_by_case[one.id]), default=0),
            assigned_to=names.get(one.assigned_to, "") if one.assigned_to else "",
            mine=one.assigned_to == staff.id,
        )
        for one in shown
    ]
    return tuple(rows)


async def _excerpts(db: AsyncSession, case_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The beginning of each case's newest complaint."""
    newest_first = func.row_number().over(partition_by=Post.case_id, order_by=(Post.posted_at.desc(), Post.id.desc()))
    ranked = (
        select(Post.id, newest_first.label("rank"))
        .where(Post.case_id.in_(case_ids), Post.kind.in_((cases.COMPLAINT, cases.PRIVATE)))
        .subquery()
    )
    newest = select(Post).join(ranked, ranked.c.id == Post.id).where(ranked.c.rank == 1)
    posts = (await db.execute(newest)).scalars()
    return {post.case_id: _excerpt((await cases.open_post(db, post)).text) for post in posts}


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_EXCERPT else line[:LONGEST_EXCERPT].rstrip() + "…"


async def _figures(db: AsyncSession, staff: Staff, now: datetime) -> tuple[int, int, int]:
    """(nobody's, mine, late) of all cases that are not closed."""
    unclosed = cases.visible_to(staff).where(UNCLOSED).subquery()
    late = or_(
        and_(unclosed.c.first_answered_at.is_(None), unclosed.c.first_answer_due < now),
        unclosed.c.resolution_due < now,
    )
    counts = [
        func.count().filter(some)
        for some in (unclosed.c.assigned_to.is_(None), unclosed.c.assigned_to == staff.id, late)
    ]
    row = (await db.execute(select(*counts).select_from(unclosed))).one()
    return row[0], row[1], row[2]


async def _unread_of_mine(db: AsyncSession, staff: Staff) -> int:
    """How many messages of customers wait in the rooms of this member's own cases."""
    statement = (
        select(Conversation.id)
        .join(Case, Case.id == Conversation.case_id)
        .where(Case.assigned_to == staff.id, UNCLOSED)
    )
    room_ids = list((await db.execute(statement)).scalars())
    return sum((await rooms.unread_counts(db, room_ids, "agent")).values())
