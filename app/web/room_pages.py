"""The customer's room: reading, writing, proving more, locking, leaving, rating. Works without JavaScript."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from io import BytesIO
from typing import Annotated, Final, Literal, cast
from uuid import UUID, uuid4

import segno
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.agents.queries import names as staff_names
from app.binding import authenticator, queries, unlocking
from app.binding.leaving import leave_room
from app.binding.passkeys import has_passkey
from app.binding.rules import PASSKEY, PASSKEY_LEAST, CodeMethod
from app.binding.step_up import begin_step_up
from app.cases import queries as cases
from app.cases.models import Case
from app.cases.rules import Status
from app.conversations import queries as rooms
from app.conversations.dependencies import CurrentCustomer, customer_of
from app.conversations.errors import RoomLocked
from app.conversations.marks import other_sides_mark
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.conversations.rating import has_rated, rate_room
from app.conversations.reading import RoomPage, read_as_customer
from app.conversations.rules import LARGEST_NUMBER, LONGEST_TEXT, only_session
from app.conversations.stream import customer_stream
from app.database import reading, services_of
from app.errors import Invalid, RiserboError, TooLarge
from app.http.dependencies import CurrentServices, Db, Now
from app.http.event_stream import EventStream
from app.http.texts import clean_text
from app.permissions import DataClass
from app.policy import Method, Policy
from app.services import Services
from app.sessions.dependencies import OptionalVisitorSession, VisitorSession
from app.sessions.models import Session
from app.sessions.rules import idle_limit
from app.web.entry_views import (
    customer_methods,
    identity_methods,
    leaving,
    ports_of,
    set_visitor_cookie,
    visitor_network,
)
from app.web.facts import at_name, proof_facts, reproof_slug, room_handle
from app.web.notices import notice_of
from app.web.pages import Form, page, page_settings, see_other, site_of
from app.web.room_entries import event_of, messages_of, older_than, window_of
from app.web.views import Authenticator, DataClassName, Ended, HeldAnswer, Locked, PublicPost, Room

router = APIRouter(include_in_schema=False)
CODES: Final = tuple(CodeMethod)
LONGEST_COMMENT: Final = 1000


@router.get("/room")
async def room(request: Request, services: CurrentServices, session: OptionalVisitorSession, now: Now) -> Response:
    """The room, or why it is not open: locked, over, or never entered."""
    if session is None or session.binding_id is None:
        return page(request, Ended(site=site_of(request), now=now, reason="over" if session is None else "none"), 401)
    try:
        return page(request, await room_view(request, services, customer_of(services.policy, session, now), session))
    except RoomLocked:
        return await locked_page(request, services, session)


@router.post("/room/messages")
async def write(
    request: Request, services: CurrentServices, session: VisitorSession, customer: CurrentCustomer, form: Form
) -> Response:
    """Say something; with `Accept: application/json` the number comes back, else the page."""
    wants_json = "application/json" in request.headers.get("accept", "")
    text = form.get("text", "")
    try:
        posted = await post_message(
            services, customer, customer.conversation_id, _text(text), client_key=form.get("idempotency_key", "")
        )
    except RiserboError as refusal:
        if wants_json:
            raise
        view = await room_view(request, services, customer, session, error=refusal.message, draft=text)
        return page(request, view, refusal.status)
    return JSONResponse({"n": posted.n}, 201) if wants_json else see_other("/room")


async def _first_look(customer: CurrentCustomer, services: CurrentServices, now: Now) -> Customer:
    """Refuse with an ordinary answer before a stream has begun."""
    async with reading(services) as db:
        await rooms.room_for_customer(db, customer, now)
    return customer


@router.get("/room/events", response_class=EventStream)
async def events(
    services: CurrentServices,
    customer: Annotated[Customer, Depends(_first_look)],
    after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST_NUMBER)] = None,
) -> EventStream:
    """The room live; `Last-Event-ID` wins over `after`."""
    async with reading(services) as db:
        handle = await room_handle(db, customer.conversation_id)
    start = last_event_id if last_event_id is not None else after
    stream = customer_stream(services, customer, start)
    return EventStream(stream, partial(event_of, side="customer", customer=handle))


@router.post("/room/step-up")
async def step_up(request: Request, services: CurrentServices, customer: CurrentCustomer, form: Form) -> Response:
    """Leave for a provider that can prove more."""
    provider = form.get("method", "").removeprefix("identity:")
    target = await begin_step_up(services, ports_of(request), customer=customer, provider=provider)
    return leaving(request, services, target, purpose="step_up", back="/room")


@router.post("/room/unlock")
async def unlock(request: Request, services: CurrentServices, session: VisitorSession, form: Form) -> Response:
    """Choose a way back in, or type its code."""
    ports, method = ports_of(request), form.get("method", "")
    try:
        if method.startswith("identity:"):
            target = await unlocking.begin_unlock(
                services, ports, session_id=session.id, provider=method.removeprefix("identity:")
            )
            return leaving(request, services, target, purpose="unlock", back="/room")
        if method:
            await unlocking.request_unlock_code(
                services, ports, session_id=session.id, method=method, network=visitor_network(request)
            )
            return see_other("/room")
        done = await unlocking.check_unlock_code(
            services, session_id=session.id, code=form.get("code", ""), network=visitor_network(request)
        )
    except RoomLocked:
        return see_other("/room")
    except RiserboError as refusal:
        return await locked_page(request, services, session, refusal)
    answer = see_other("/room")
    set_visitor_cookie(answer, done.session_token)
    return answer


@router.post("/room/leave")
async def leave(request: Request, services: CurrentServices, session: OptionalVisitorSession, now: Now) -> Response:
    """End the session; the binding stays."""
    if session is not None and session.binding_id is not None:
        await leave_room(services, session_id=session.id)
    return page(request, Ended(site=site_of(request), now=now, reason="left"))


@router.get("/room/authenticator")
async def authenticator_page(
    request: Request, services: CurrentServices, customer: CurrentCustomer, now: Now
) -> Response:
    """The secret to enrol, as picture and as text."""
    return page(request, await _enrolment(request, services, customer, now))


@router.post("/room/authenticator")
async def add_authenticator(
    request: Request, services: CurrentServices, customer: CurrentCustomer, form: Form, now: Now
) -> Response:
    """Keep the authenticator once it shows the right code."""
    try:
        await authenticator.add_authenticator(services, customer=customer, code=form.get("code", ""))
    except RiserboError as refusal:
        return page(request, await _enrolment(request, services, customer, now, refusal.message), refusal.status)
    return see_other("/room", "authenticator_enrolled")


@router.get("/room/authenticator.svg")
async def authenticator_picture(request: Request, services: CurrentServices, customer: CurrentCustomer) -> Response:
    """The same secret as a QR picture, from our own origin."""
    enrolment = await authenticator.offer_authenticator(services, ports_of(request), customer=customer)
    picture = BytesIO()
    segno.make(enrolment.uri, error="m").save(picture, kind="svg", scale=5, border=4, light="white")
    return Response(picture.getvalue(), media_type="image/svg+xml")


@router.post("/room/rating")
async def rate(customer: CurrentCustomer, db: Db, form: Form, now: Now) -> Response:
    """One to five stars for a closed case, once."""
    stars = form.get("stars", "")
    if stars not in ("1", "2", "3", "4", "5"):
        raise Invalid("Please choose one to five.")
    room_now = await rooms.room_for_customer(db, customer, now)
    await rate_room(db, customer, room_now, int(stars), await _comment(form))
    return see_other("/room", "rating_thanks")


async def _comment(form: Form) -> str:
    try:
        comment = clean_text(form.get("comment", ""))
    except ValueError:
        raise Invalid("The text holds characters that are not text.") from None
    if len(comment) > LONGEST_COMMENT:
        raise TooLarge
    return comment


def _text(text: str) -> str:
    """A message's text; raises `Invalid` for nothing, `TooLarge` for more than 4,000 characters."""
    try:
        clean = clean_text(text)
    except ValueError:
        raise Invalid("The text holds characters that are not text.") from None
    if not clean.strip():
        raise Invalid("Please write something first.")
    if len(clean) > LONGEST_TEXT:
        raise TooLarge
    return clean


async def _enrolment(
    request: Request, services: Services, customer: Customer, now: datetime, error: str = ""
) -> Authenticator:
    offered = await authenticator.offer_authenticator(services, ports_of(request), customer=customer)
    grouped = " ".join(offered.secret[place : place + 4] for place in range(0, len(offered.secret), 4))
    return Authenticator(site=site_of(request), now=now, error=error, secret=grouped, account=offered.account)


async def locked_page(
    request: Request, services: Services, session: Session, refusal: RiserboError | None = None
) -> Response:
    """The page of a locked room: nothing of the room, the ways back in."""
    now = services.clock()
    async with reading(services) as db:
        method = await queries.unlock_method(db, session_id=session.id, now=now)
        passkey = await _may_tap(db, session.binding_id)
        brand = await queries.brand_of_room(db, session.conversation_id)
        reproof = await reproof_slug(db, session, now)
    view = Locked(
        site=site_of(request),
        now=now,
        error=refusal.message if refusal else "",
        methods=customer_methods(request, brand),
        code_sent=method in CODES,
        kind=cast("Literal['sms', 'email', 'totp'] | None", method if method in CODES else None),
        passkey=passkey,
        reproof=reproof,
    )
    return page(request, view, refusal.status if refusal else 401)


async def room_view(
    request: Request, services: Services, customer: Customer, session: Session, *, error: str = "", draft: str = ""
) -> Room:
    """Everything that this session may see of its room now."""
    read = await read_as_customer(services, customer, window_of(request))
    now = services.clock()
    async with reading(services) as db:
        return await _view(request, db, read, (customer, session), (now, error, draft))


async def _view(
    request: Request,
    db: AsyncSession,
    read: RoomPage,
    who: tuple[Customer, Session],
    said: tuple[datetime, str, str],
) -> Room:
    customer, session = who
    now, error, draft = said
    case = await db.get_one(Case, read.room.case_id)
    author = await cases.author_of(db, case)
    names = await staff_names(db)
    # Never what was written in private: at L2, or with a stolen handle, this may be somebody else.
    complaint = await cases.latest_public_complaint(db, case)
    settings = page_settings(request)
    read_by_bank = await other_sides_mark(db, read.room.id, customer)
    policy = services_of(db).policy
    idle = idle_limit(policy.sessions, session.kind, session.level)
    return Room(
        site=site_of(request),
        now=now,
        error=error,
        notice=notice_of(request),
        state="closed" if read.room.state == "closed" else "open",
        handle=at_name(author.handle),
        network=settings.label(case.connector),
        agent=names.get(case.assigned_to, settings.bank) if case.assigned_to else settings.bank,
        level=customer.level,
        proofs=proof_facts(request, await queries.proofs_of_binding(db, customer.binding_id)),
        readable=tuple(cast("DataClassName", kind.value) for kind in policy.classes_at(customer.level)),
        messages=tuple(
            messages_of(
                read.entries, side="customer", names=names, read_by_other=read_by_bank, customer=at_name(author.handle)
            )
        ),
        cursor=read.entries[-1].n if read.entries else read.room.last_n,
        idempotency_key=str(uuid4()),
        idle_seconds=int(idle.total_seconds()),
        idle_left=max(int((idle - (now - session.last_seen_at)).total_seconds()), 0),
        ends_at=session.expires_at,
        post=_quoted(complaint),
        held=await _held(db, policy, read.room),
        step_up=tuple(
            one for one in identity_methods(request, case.connector, step_up=True) if one.level > customer.level
        ),
        step_up_asked=_step_up_asked(read, customer),
        older_hidden=only_session(customer.level, customer.session_id) is not None
        and await rooms.has_older(db, customer),
        may_enrol=policy.offers_method(Method.TOTP, None),
        passkeys=await _passkeys_shown(db, customer),
        step_up_passkey=await _may_tap(db, customer.binding_id, above=customer.level),
        rating="none" if case.status != Status.CLOSED else ("given" if await has_rated(db, read.room, case) else "ask"),
        draft=draft,
        older=older_than(read),
    )


def _quoted(complaint: cases.ThreadPost | None) -> PublicPost | None:
    if complaint is None:
        return None
    return PublicPost(author=complaint.author.display_name, text=complaint.text, at=complaint.posted_at)


async def _may_tap(db: AsyncSession, binding_id: UUID | None, *, above: int = 0) -> bool:
    """Whether the binding has a passkey of use here; at `above`, for a step-up."""
    policy = services_of(db).policy
    if binding_id is None or not policy.offers_method(PASSKEY, None) or (above and PASSKEY not in policy.step_up):
        return False
    return await has_passkey(db, binding_id, above=above)


async def _passkeys_shown(db: AsyncSession, customer: Customer) -> Literal["none", "offer", "own"]:
    """Whether this session may have passkeys, and whether its binding has one yet."""
    if customer.level < PASSKEY_LEAST or not services_of(db).policy.offers_method(PASSKEY, None):
        return "none"
    return "own" if await has_passkey(db, customer.binding_id) else "offer"


def _step_up_asked(read: RoomPage, customer: Customer) -> bool:
    """Whether the newest request asks for more than this session has."""
    asked = [entry for entry in read.entries if entry.kind == "step_up_requested" and entry.data]
    return bool(asked) and bool(asked[-1].data) and int((asked[-1].data or {})["level"]) > customer.level


async def _held(db: AsyncSession, policy: Policy, room_now: Conversation) -> HeldAnswer | None:
    """That answers wait, how many and for which level; nothing else of them."""
    waiting = await rooms.waiting_answers(db, room_now.id)
    if not waiting:
        return None
    level = max(policy.needed(DataClass(kind)) for kind, _ in waiting)
    return HeldAnswer(count=len(waiting), level=int(level), expires_at=min(until for _, until in waiting))
