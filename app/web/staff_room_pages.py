"""The agent's side of a room: writing, asking for a higher level, ending its link, the live stream as a lease."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from app.actors import Staff
from app.agents.dependencies import CurrentStaff
from app.binding import ending
from app.conversations import queries as rooms
from app.conversations import service
from app.conversations.errors import NotYourRoom
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.conversations.rules import LARGEST_NUMBER, LONGEST_TEXT
from app.conversations.stream import begin_watch, staff_stream
from app.database import reading, transaction
from app.errors import Invalid, RiserboError
from app.http.dependencies import CurrentServices
from app.http.event_stream import EventStream
from app.permissions import DataClass, Level
from app.services import Services
from app.web.case_pages import refused_page
from app.web.case_view import Shown
from app.web.desk import DeskRoute, checked_text, reason_of
from app.web.facts import room_handle
from app.web.pages import Form, see_other
from app.web.room_entries import event_of
from app.web.room_panel import Typed
from app.web.views import DataClassName, NoticeName

router = APIRouter(include_in_schema=False, route_class=DeskRoute)
CLASSES: Final[tuple[DataClassName, ...]] = ("general", "case", "account", "identity")
After = Annotated[int, Query(ge=0, le=LARGEST_NUMBER)]
LastEventId = Annotated[int | None, Header(ge=0, le=LARGEST_NUMBER)]
LEVELS: Final = {"3": Level.L3, "4": Level.L4}


@router.post("/conversations/{conversation_id}/messages")
async def write(
    request: Request, conversation_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """Say something of a chosen class; with `Accept: application/json` its number comes back, null while held."""
    wants_json = "application/json" in request.headers.get("accept", "")
    room = await own_room(services, staff, conversation_id, act="write")
    typed = form.get("text", "")
    try:
        text, chosen = checked_text(typed, LONGEST_TEXT), _chosen(form.get("data_class", ""))
        key = form.get("idempotency_key", "")
        posted = await post_message(services, staff, room.id, text, client_key=key, chosen=chosen)
    except RiserboError as refusal:
        if wants_json:
            raise
        kept: DataClassName = next((one for one in CLASSES if one == form.get("data_class")), "account")
        shown = Shown(room=room.id, error=refusal.message, typed=Typed(typed, kept))
        return await refused_page(request, services, staff, room.case_id, refusal, shown)
    if wants_json:
        return JSONResponse({"n": posted.n}, 201)
    return await _back(services, room, "message_held" if posted.n is None else None)


@router.post("/conversations/{conversation_id}/step-up")
async def ask_for_step_up(
    request: Request, conversation_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """Ask the customer, in the room, to prove more."""
    room = await own_room(services, staff, conversation_id, act="step_up")
    try:
        level = LEVELS.get(form.get("level", ""))
        if level is None:
            raise Invalid
        async with transaction(services) as db:
            await service.request_step_up(db, staff, room.id, level)
    except RiserboError as refusal:
        shown = Shown(room=room.id, error=refusal.message)
        return await refused_page(request, services, staff, room.case_id, refusal, shown)
    return await _back(services, room, "step_up_asked")


@router.post("/conversations/{conversation_id}/revoke")
async def end_link(
    request: Request, conversation_id: UUID, staff: CurrentStaff, services: CurrentServices, form: Form
) -> Response:
    """End the link that the room belongs to: whoever is in it is out."""
    room = await own_room(services, staff, conversation_id, act="revoke")
    try:
        because = reason_of(form)
        async with transaction(services) as db:
            await ending.end_link(db, staff, room.binding_id, because)
    except RiserboError as refusal:
        shown = Shown(room=room.id, error=refusal.message)
        return await refused_page(request, services, staff, room.case_id, refusal, shown)
    return await _back(services, room, "link_ended")


async def events(
    conversation_id: UUID,
    staff: CurrentStaff,
    services: CurrentServices,
    after: After = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """The room live. The lease is durable before the first byte; `Last-Event-ID` wins over `after`."""
    start = last_event_id if last_event_id is not None else after
    watch = await begin_watch(services, staff, conversation_id, start)
    stream = staff_stream(services, staff, watch)
    try:
        async with reading(services) as db:
            handle = await room_handle(db, conversation_id)
    except BaseException:
        await stream.aclose()
        raise
    return EventStream(stream, partial(event_of, side="agent", customer=handle))


# Not a page: a stream without a session is a 401, whoever asks.
streams = APIRouter(include_in_schema=False)
streams.add_api_route("/conversations/{conversation_id}/events", events, methods=["GET"], response_class=EventStream)


async def own_room(services: Services, staff: Staff, conversation_id: UUID, *, act: str) -> Conversation:
    """The room, if it is this member's. The refusal of an insider leaves its leaf; the usual way writes nothing."""
    try:
        async with reading(services) as db:
            return await rooms.room_for_staff(db, staff, conversation_id, act=act)
    except NotYourRoom:
        async with transaction(services) as db:
            return await rooms.room_for_staff(db, staff, conversation_id, act=act)


async def _back(services: Services, room: Conversation, said: NoticeName | None) -> Response:
    """To the case; an older one of several rooms is named, so that the page shows the same room again."""
    async with reading(services) as db:
        newest = (await rooms.rooms_of_case(db, [room.case_id]))[-1]
    return see_other(f"/cases/{room.case_id}" + (f"?room={room.id}" if newest.id != room.id else ""), said)


def _chosen(name: str) -> DataClass | None:
    """The class that the agent chose; none means the usual one. Raises `Invalid`."""
    if name and name not in CLASSES:
        raise Invalid
    return DataClass(name) if name else None
