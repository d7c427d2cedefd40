"""Posting a message: prepared outside, committed by the lane in groups, answered once durable (design, decision 5).

Checked twice: before, for a quick and clear answer; and again inside the transaction, under the room's lock, because
in between a session may have ended, a case changed hands, a room closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer, Staff
from app.agents.models import StaffAccount
from app.audit.service import record
from app.cases.models import Case
from app.conversations.errors import MessageKeyReused, NotYourRoom, RoomLocked
from app.conversations.models import Conversation, Message
from app.conversations.queries import room_for_customer, room_for_staff, session_is_live
from app.conversations.rules import HELD_FOR, class_of_answer, class_of_customer_text, must_wait, require_open
from app.conversations.service import add_event
from app.database import reading, services_of, transaction
from app.errors import Invalid, NotFound, RiserboError, Unauthenticated, Unavailable
from app.guard.service import check_room
from app.ids import new_id
from app.permissions import REQUIRED_LEVEL, ROLE_PERMISSIONS, DataClass, Permission
from app.services import Services
from app.sessions.models import Session
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json, join
from security.envelope import Place, seal

LONGEST_KEY: Final = 255


@dataclass(frozen=True)
class Posted:
    """What became of a message; `n` is None while it is held."""

    message_id: UUID
    n: int | None
    state: str
    data_class: str
    sent_at: datetime


@dataclass(frozen=True)
class PostMessage:
    """A message as the lane commits it: sealed, committed to, classed. Nothing in it is readable."""

    conversation_id: UUID
    actor: Staff | Customer
    message_id: UUID
    data_class: DataClass
    sealed_text: bytes
    commitment: dict[str, str]
    client_key: bytes
    body_hash: bytes


@dataclass(frozen=True)
class _Ground:
    """Everything a group is checked against, read under the rooms' locks."""

    rooms: dict[UUID, Conversation]
    cases: dict[UUID, UUID | None]
    sessions: dict[UUID, Session]
    active_staff: set[UUID]
    known: dict[tuple[UUID, UUID, bytes], Message]


async def post_message(
    services: Services,
    actor: Staff | Customer,
    conversation_id: UUID,
    text: str,
    *,
    client_key: str,
    chosen: DataClass | None = None,
) -> Posted:
    """Store one message, exactly once per (actor, `client_key`); durable when this returns.

    Raises `NeverHere`, `ClassTooLow`, `RoomClosed`, `RoomLocked`, `NotYourRoom`, `NotFound`, `MessageKeyReused`,
    `Unavailable` (nothing was stored).
    """
    if not client_key or len(client_key) > LONGEST_KEY:
        raise Invalid("An Idempotency-Key of at most 255 characters is needed.")
    if services.lane is None:
        raise Unavailable
    command = await _prepare(services, actor, conversation_id, text, (client_key, chosen))
    posted: Posted = await services.lane.submit(command)
    return posted


async def _prepare(
    services: Services, actor: Staff | Customer, conversation_id: UUID, text: str, wish: tuple[str, DataClass | None]
) -> PostMessage:
    client_key, chosen = wish
    async with reading(services) as db:
        room = await db.get(Conversation, conversation_id)
        if room is None:
            raise NotFound
    lowest = check_room(text).data_class
    try:
        if isinstance(actor, Staff):
            data_class = class_of_answer(chosen, lowest)
        else:
            data_class = class_of_customer_text(lowest, actor.level)
    except RiserboError as refusal:
        await _record_refusal(services, actor, conversation_id, (refusal.code, lowest))
        raise
    key = await services.vault.key(room.key_id)
    message_id, stream = new_id(services.clock()), f"room:{room.id}"
    sealed = seal(key, Place("messages", "sealed_text", str(message_id)), text.encode())
    context = canonical_json({"stream": stream, "id": str(message_id)})
    scope = join(str(room.id).encode(), client_key.encode()).hex()
    body = join((chosen.value if chosen else "").encode(), text.encode()).hex()
    return PostMessage(
        conversation_id=room.id,
        actor=actor,
        message_id=message_id,
        data_class=data_class,
        sealed_text=sealed,
        commitment={
            "id": str(message_id),
            "pt": commit(opening(key, str(message_id)), context, text.encode()).hex(),
            "ct": ciphertext_hash(sealed).hex(),
            "key": str(key.id),
        },
        client_key=await services.vault.lookup_hash("message-key", scope),
        body_hash=await services.vault.lookup_hash("message-body", body),
    )


async def commit_group(services: Services, commands: Sequence[PostMessage]) -> list[Posted | Exception]:
    """One transaction for all; a refused or repeated message has its own answer and harms no neighbour."""
    async with transaction(services) as db:
        ground = await _ground(db, commands)
        outcomes: list[Posted | Exception] = []
        for command in commands:
            try:
                outcomes.append(_post(db, ground, command))
            except RiserboError as refusal:
                outcomes.append(refusal)
    return outcomes


async def _ground(db: AsyncSession, commands: Sequence[PostMessage]) -> _Ground:
    """Rooms locked in id order; then sessions, cases and known keys, in one statement each."""
    rooms = {
        room.id: room
        for room in (
            await db.execute(
                select(Conversation)
                .where(Conversation.id.in_({command.conversation_id for command in commands}))
                .order_by(Conversation.id)
                .with_for_update()
            )
        ).scalars()
    }
    session_ids = {command.actor.session_id for command in commands}
    staff_ids = {command.actor.id for command in commands if isinstance(command.actor, Staff)}
    keys = {(one.conversation_id, _sender_id(one.actor), one.client_key) for one in commands}
    case_ids = {room.case_id for room in rooms.values()}
    sessions = (await db.execute(select(Session).where(Session.id.in_(session_ids)))).scalars()
    cases = await db.execute(select(Case.id, Case.assigned_to).where(Case.id.in_(case_ids)))
    staff = await db.execute(
        select(StaffAccount.id).where(StaffAccount.id.in_(staff_ids), StaffAccount.active.is_(True))
    )
    known = (
        await db.execute(
            select(Message).where(
                tuple_(Message.conversation_id, Message.sender_id, Message.client_key).in_(list(keys))
            )
        )
    ).scalars()
    return _Ground(
        rooms=rooms,
        cases={row.id: row.assigned_to for row in cases},
        sessions={session.id: session for session in sessions},
        active_staff=set(staff.scalars()),
        known={(one.conversation_id, one.sender_id, one.client_key): one for one in known},
    )


def _post(db: AsyncSession, ground: _Ground, command: PostMessage) -> Posted:
    """All checks first, then all changes: a refusal leaves nothing half done, an insider's one leaf."""
    room = ground.rooms.get(command.conversation_id)
    if room is None:
        raise NotFound
    now = services_of(db).clock()
    try:
        _require_actor(ground, room, command.actor, now)
    except NotYourRoom:
        _record_insider(db, room, command.actor)
        raise
    identity = (room.id, _sender_id(command.actor), command.client_key)
    repeated = ground.known.get(identity)
    if repeated is not None:
        if repeated.body_hash != command.body_hash:
            raise MessageKeyReused
        return _answer(repeated)
    require_open(room.state)
    message = _add_message(db, room, command, now)
    ground.known[identity] = message
    return _answer(message)


def _require_actor(ground: _Ground, room: Conversation, actor: Staff | Customer, now: datetime) -> None:
    session = ground.sessions.get(actor.session_id)
    if isinstance(actor, Customer):
        if session is None or not session_is_live(session, now) or session.level != actor.level:
            raise RoomLocked
        if room.binding_id != actor.binding_id or room.session_id != actor.session_id:
            raise RoomLocked
        return
    if session is None or not session_is_live(session, now) or actor.id not in ground.active_staff:
        raise Unauthenticated
    held = ROLE_PERMISSIONS[actor.role]
    if Permission.ROOMS_TALK not in held:
        raise NotFound
    if ground.cases.get(room.case_id) != actor.id and Permission.ROOMS_READ_ANY not in held:
        raise NotYourRoom


def _record_insider(db: AsyncSession, room: Conversation, actor: Staff | Customer) -> None:
    """The one trace of a refused post: it is committed with the group, beside the messages of others."""
    data = {"reason": "not_assigned", "act": "post"}
    record(db, "room.refused", stream=f"room:{room.id}:access", actor=actor, data=data)


def _add_message(db: AsyncSession, room: Conversation, command: PostMessage, now: datetime) -> Message:
    by_staff = isinstance(command.actor, Staff)
    held = by_staff and must_wait(command.data_class, room.level)
    sender = "agent" if by_staff else "customer"
    number = None if held else add_event(db, room, "message", {}, command.message_id)
    about = {"class": command.data_class.value, "sender": sender, "session": str(room.session_id or "")}
    about |= command.commitment
    data: dict[str, str | int] = dict(about)
    if number is None:
        data["needs"] = int(REQUIRED_LEVEL[command.data_class])
    else:
        data["number"] = number
    leaf_id = record(
        db,
        "message.held" if held else "message.sent",
        stream=f"room:{room.id}",
        actor=command.actor,
        data=data,
    )
    message = Message(
        id=command.message_id,
        conversation_id=room.id,
        n=number,
        sender=sender,
        sender_id=_sender_id(command.actor),
        session_id=room.session_id,
        data_class=command.data_class.value,
        state="held" if held else "sent",
        sealed_text=command.sealed_text,
        client_key=command.client_key,
        body_hash=command.body_hash,
        sent_at=now,
        released_at=None,
        expires_at=now + HELD_FOR if held else None,
        leaf_id=leaf_id,
    )
    if held:
        _tell_that_something_waits(db, room, command.data_class)
    room.leaf_id = leaf_id
    db.add(message)
    return message


def _tell_that_something_waits(db: AsyncSession, room: Conversation, data_class: DataClass) -> None:
    """The customer learns that an answer waits for a higher level, and nothing else of it."""
    add_event(db, room, "held", {"level": int(REQUIRED_LEVEL[data_class])})


async def _record_refusal(
    services: Services, actor: Staff | Customer, conversation_id: UUID, why: tuple[str, DataClass]
) -> None:
    """Only who may speak here learns what was wrong with the text; anybody else meets the usual refusal."""
    reason, lowest = why
    async with transaction(services) as db:
        if isinstance(actor, Staff):
            await room_for_staff(db, actor, conversation_id, act="post")
        else:
            await room_for_customer(db, actor, services.clock())
        record(
            db,
            "message.refused",
            stream=f"room:{conversation_id}:access",
            actor=actor,
            data={"reason": reason, "class": lowest.value},
        )


def _sender_id(actor: Staff | Customer) -> UUID:
    return actor.id if isinstance(actor, Staff) else actor.binding_id


def _answer(message: Message) -> Posted:
    return Posted(message.id, message.n, message.state, message.data_class, message.sent_at)
