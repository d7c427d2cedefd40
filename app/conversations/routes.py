"""`/api/v1/conversations`: read, talk, watch, ask for a step-up; and closing a case with its rooms."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.dependencies import CurrentStaff
from app.audit.service import record
from app.cases import queries as cases
from app.cases import service as case_service
from app.conversations import queries, reading, service
from app.conversations.committing import Posted
from app.conversations.items import Ended, Quiet, ReadUpTo, StreamItem, last_event
from app.conversations.models import Conversation
from app.conversations.posting import LONGEST_KEY, post_message
from app.conversations.queries import Entry, Window
from app.conversations.rules import LARGEST_NUMBER
from app.conversations.schemas import (
    ClosedOut,
    CloseIn,
    EntriesOut,
    EntryOut,
    HeldOut,
    MessageIn,
    PostedOut,
    RoomOut,
    StepUpIn,
    StepUpOut,
)
from app.conversations.stream import begin_watch, staff_stream
from app.database import reading as read_session
from app.database import services_of
from app.http.dependencies import CurrentServices, Db
from app.http.event_stream import Event, EventStream
from app.limits.dependencies import Once
from app.permissions import DataClass, Level

router = APIRouter(prefix="/api/v1", tags=["conversations"])

MessageKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=LONGEST_KEY)]
After = Annotated[int, Query(ge=0, le=LARGEST_NUMBER)]


@router.get("/cases/{case_id}/conversations")
async def rooms_of_case(case_id: UUID, staff: CurrentStaff, db: Db) -> list[RoomOut]:
    """The rooms of a case; more than one means that more than one customer holds the handle. It leaves a leaf."""
    case = await cases.get(db, staff, case_id)
    record(db, "case.read", stream=f"case:{case.id}", actor=staff, data={"part": "rooms"})
    return [await room_out(db, room) for room in await queries.rooms_of_case(db, [case.id])]


@router.get("/conversations/{conversation_id}/messages")
async def read_messages(
    conversation_id: UUID,
    staff: CurrentStaff,
    services: CurrentServices,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
) -> EntriesOut:
    """The room behind number `after`; the reading has its leaf before any text is opened."""
    page = await reading.read_as_staff(services, staff, conversation_id, Window(after=after, limit=limit))
    async with read_session(services) as db:
        held = await queries.held_answers(db, page.room)
        return EntriesOut(
            room=await room_out(db, page.room),
            items=[entry_out(entry) for entry in page.entries],
            held=[
                HeldOut(
                    id=one.message_id,
                    sender_id=one.sender_id,
                    data_class=one.data_class,
                    text=one.text,
                    sent_at=one.sent_at,
                    state=one.state,
                )
                for one in held
            ],
        )


@router.post("/conversations/{conversation_id}/messages", status_code=201)
async def write_message(
    conversation_id: UUID, body: MessageIn, staff: CurrentStaff, services: CurrentServices, key: MessageKey
) -> PostedOut:
    """Say something in the room, exactly once per Idempotency-Key; above the customer's level it is held."""
    chosen = DataClass(body.data_class) if body.data_class else None
    posted = await post_message(services, staff, conversation_id, body.text, client_key=key, chosen=chosen)
    return posted_out(posted)


@router.get("/conversations/{conversation_id}/events", response_class=EventStream)
async def watch(
    conversation_id: UUID,
    staff: CurrentStaff,
    services: CurrentServices,
    after: After = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST_NUMBER)] = None,
) -> EventStream:
    """The room live (text/event-stream), behind `Last-Event-ID` or else `after`; a refusal is an ordinary answer."""
    start = last_event_id if last_event_id is not None else after
    lease = await begin_watch(services, staff, conversation_id, start)
    return EventStream(staff_stream(services, staff, lease), api_event)


@router.post("/conversations/{conversation_id}/step-up")
async def ask_for_step_up(
    conversation_id: UUID, body: StepUpIn, staff: CurrentStaff, db: Db, once: Once
) -> JSONResponse:
    """Ask the customer, in the room, to prove more."""

    async def act() -> StepUpOut:
        await service.request_step_up(db, staff, conversation_id, Level(body.level))
        return StepUpOut(level=body.level)

    still = partial(queries.room_for_staff, db, staff, conversation_id, act="step_up")
    return await once.answer(db, staff.id, 202, act, still=still)


@router.post("/cases/{case_id}/close")
async def close_case(case_id: UUID, body: CloseIn, staff: CurrentStaff, db: Db, once: Once) -> JSONResponse:
    """End the work with an outcome; the case's rooms close with it."""

    async def act() -> ClosedOut:
        case = await case_service.close(db, staff, case_id, body.outcome)
        await service.close_rooms_of_case(db, staff, case_id)
        return ClosedOut(case_id=case.id, status=case.status, outcome=body.outcome.value)

    return await once.answer(db, staff.id, 200, act, still=partial(case_service.workable, db, staff, case_id, "close"))


async def room_out(db: AsyncSession, room: Conversation) -> RoomOut:
    """A room as it crosses the wire."""
    unread = await queries.unread_counts(db, [room.id], "agent")
    return RoomOut(
        id=room.id,
        case_id=room.case_id,
        binding_id=room.binding_id,
        state=room.state,
        customer_present=room.session_id is not None,
        level=room.level,
        may_say=[kind.value for kind in services_of(db).policy.classes_at(room.level)],
        last_n=room.last_n,
        customer_read=await queries.read_mark(db, room.id, "customer"),
        unread=unread.get(room.id, 0),
    )


def entry_out(entry: Entry) -> EntryOut:
    """An entry as it crosses the wire."""
    return EntryOut(
        n=entry.n,
        kind=entry.kind,
        at=entry.at,
        id=entry.message_id,
        sender=entry.sender,
        sender_id=entry.sender_id,
        data_class=entry.data_class,
        text=entry.text,
        data=entry.data,
    )


def posted_out(posted: Posted) -> PostedOut:
    """What became of a message, as it crosses the wire."""
    return PostedOut(
        id=posted.message_id,
        n=posted.n,
        state=posted.state,
        data_class=posted.data_class,
        sent_at=posted.sent_at,
    )


def api_event(item: StreamItem) -> Event:
    """One item of the stream as an event: numbered things carry their number as id."""
    if isinstance(item, Quiet):
        return Event()
    if isinstance(item, Ended):
        return last_event(item)
    if isinstance(item, ReadUpTo):
        return Event("read", {"n": item.n})
    shown = {
        "n": item.n,
        "kind": item.kind,
        "at": item.at.isoformat().replace("+00:00", "Z"),
        "id": str(item.message_id) if item.message_id else None,
        "sender": item.sender,
        "sender_id": str(item.sender_id) if item.sender_id else None,
        "data_class": item.data_class,
        "text": item.text,
        "data": item.data,
    }
    return Event(item.kind, {key: value for key, value in shown.items() if value is not None}, item.n)
