"""The transaction of a group of messages: all that the lane took together, checked and written at once (decision 5).

Rooms are locked in id order, then room, actor and session are checked as they are now. A refused or repeated message
has its own answer and harms no neighbour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer, Staff
from app.agents.models import StaffAccount
from app.audit.service import record
from app.bulk import among, among_rows, insert_many, listed, listed_rows, update_many
from app.cases.models import Case
from app.conversations.errors import MessageKeyReused, NotYourRoom, RoomLocked
from app.conversations.models import Conversation, Message, RoomEvent
from app.conversations.queries import session_is_live
from app.conversations.rules import HELD_FOR, must_wait, require_open
from app.conversations.service import topic
from app.database import after_commit, connection_of, dialect_of, services_of, transaction
from app.errors import NotFound, RiserboError, Unauthenticated
from app.lane import Lane
from app.permissions import DataClass, Permission, held_by
from app.policy import Policy
from app.services import Services
from app.sessions.models import Session


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


@dataclass
class _Room:
    """A locked room as a group finds it, and as it will be stored: `last_n` and `leaf_id` grow with each message."""

    id: UUID
    case_id: UUID
    assigned_to: UUID | None
    binding_id: UUID
    session_id: UUID | None
    state: str
    level: int
    last_n: int
    leaf_id: UUID | None = None


@dataclass(frozen=True)
class _Stored:
    """A message that the room has under its sender's key."""

    answer: Posted
    body_hash: bytes


@dataclass
class _Group:
    """What the commands of one transaction are checked against, read under the rooms' locks, and what they write."""

    rooms: dict[UUID, _Room]
    sessions: dict[UUID, Any]
    stored: dict[tuple[UUID, UUID, bytes], _Stored]
    now: datetime
    policy: Policy
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def number(self, room: _Room, kind: str, data: Mapping[str, object], message_id: UUID | None = None) -> int:
        """Number the next thing of the room's stream."""
        room.last_n += 1
        self.events.append(
            {
                "conversation_id": room.id,
                "n": room.last_n,
                "kind": kind,
                "message_id": message_id,
                "data": json.dumps(data),
                "at": self.now,
            }
        )
        return room.last_n


def lane_of(services: Services) -> Lane[PostMessage, Posted]:
    """The lane that commits messages, not started yet."""
    return Lane(lambda commands: commit_group(services, commands), passing=(OperationalError, InterfaceError))


async def commit_group(services: Services, commands: Sequence[PostMessage]) -> list[Posted | Exception]:
    """One transaction for all; a refused or repeated message has its own answer and harms no neighbour."""
    async with transaction(services) as db:
        group = await _group(db, commands)
        outcomes: list[Posted | Exception] = []
        for command in commands:
            try:
                outcomes.append(_post(db, group, command))
            except RiserboError as refusal:
                outcomes.append(refusal)
        await _write(db, group)
    return outcomes


async def _group(db: AsyncSession, commands: Sequence[PostMessage]) -> _Group:
    """Rooms locked in id order; then sessions and known keys, in one statement each."""
    services, dialect, connection = services_of(db), dialect_of(db), await connection_of(db)
    room_ids, session_ids = {one.conversation_id for one in commands}, {one.actor.session_id for one in commands}
    keys = list({(one.conversation_id, _sender_id(one.actor), one.client_key) for one in commands})
    rooms = await connection.execute(_rooms(dialect), listed(room_ids))
    sessions = await connection.execute(_sessions(dialect), listed(session_ids))
    size, asked = listed_rows(dialect, keys)
    stored = await connection.execute(_stored(dialect, size), asked)
    return _Group(
        rooms={row.id: _Room(*row) for row in rooms},
        sessions={row.id: row for row in sessions},
        stored={
            (row.conversation_id, row.sender_id, row.client_key): _Stored(
                Posted(row.id, row.n, row.state, row.data_class, row.sent_at), row.body_hash
            )
            for row in stored
        },
        now=services.clock(),
        policy=services.policy,
    )


@lru_cache
def _rooms(dialect: str) -> Select[*tuple[Any, ...]]:
    """The fields of `_Room`, in its order."""
    return (
        select(
            Conversation.id,
            Conversation.case_id,
            Case.assigned_to,
            Conversation.binding_id,
            Conversation.session_id,
            Conversation.state,
            Conversation.level,
            Conversation.last_n,
        )
        .join(Case, Case.id == Conversation.case_id)
        .where(among(dialect, Conversation.id))
        .order_by(Conversation.id)
        .with_for_update(of=Conversation)
    )


@lru_cache
def _sessions(dialect: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Session.id,
            Session.kind,
            Session.level,
            Session.locked,
            Session.last_seen_at,
            Session.expires_at,
            Session.ended_at,
            StaffAccount.id.label("staff_id"),
            StaffAccount.active,
        )
        .outerjoin(StaffAccount, StaffAccount.id == Session.staff_id)
        .where(among(dialect, Session.id))
    )


@lru_cache
def _stored(dialect: str, size: int) -> Select[*tuple[Any, ...]]:
    return select(
        Message.conversation_id,
        Message.sender_id,
        Message.client_key,
        Message.body_hash,
        Message.id,
        Message.n,
        Message.state,
        Message.data_class,
        Message.sent_at,
    ).where(among_rows(dialect, size, Message.conversation_id, Message.sender_id, Message.client_key))


def _post(db: AsyncSession, group: _Group, command: PostMessage) -> Posted:
    """All checks first, then all changes: a refusal leaves nothing half done, an insider's one leaf."""
    room = group.rooms.get(command.conversation_id)
    if room is None:
        raise NotFound
    try:
        _require_actor(group, room, command.actor)
    except NotYourRoom:
        _record_insider(db, room, command.actor)
        raise
    identity = (room.id, _sender_id(command.actor), command.client_key)
    repeated = group.stored.get(identity)
    if repeated is not None:
        if repeated.body_hash != command.body_hash:
            raise MessageKeyReused
        return repeated.answer
    require_open(room.state)
    posted = _add_message(db, group, room, command)
    group.stored[identity] = _Stored(posted, command.body_hash)
    return posted


def _require_actor(group: _Group, room: _Room, actor: Staff | Customer) -> None:
    session = group.sessions.get(actor.session_id)
    if isinstance(actor, Customer):
        if session is None or not session_is_live(group.policy, session, group.now) or session.level != actor.level:
            raise RoomLocked
        if room.binding_id != actor.binding_id or room.session_id != actor.session_id:
            raise RoomLocked
        return
    if session is None or not session_is_live(group.policy, session, group.now):
        raise Unauthenticated
    if session.staff_id != actor.id or not session.active:
        raise Unauthenticated
    held = held_by(actor)
    if Permission.ROOMS_TALK not in held:
        raise NotFound
    if room.assigned_to != actor.id and Permission.ROOMS_READ_ANY not in held:
        raise NotYourRoom


def _record_insider(db: AsyncSession, room: _Room, actor: Staff | Customer) -> None:
    """The one trace of a refused post: it is committed with the group, beside the messages of others."""
    data = {"reason": "not_assigned", "act": "post"}
    record(db, "room.refused", stream=f"room:{room.id}:access", actor=actor, data=data)


def _add_message(db: AsyncSession, group: _Group, room: _Room, command: PostMessage) -> Posted:
    by_staff = isinstance(command.actor, Staff)
    held = by_staff and must_wait(group.policy, command.data_class, room.level)
    sender = "agent" if by_staff else "customer"
    number = None if held else group.number(room, "message", {}, command.message_id)
    about: dict[str, str | int] = {
        "class": command.data_class.value,
        "sender": sender,
        "session": str(room.session_id or ""),
        **command.commitment,
    }
    if number is None:
        about["needs"] = int(group.policy.needed(command.data_class))
    else:
        about["number"] = number
    event = "message.held" if held else "message.sent"
    room.leaf_id = record(db, event, stream=f"room:{room.id}", actor=command.actor, data=about)
    state = "held" if held else "sent"
    group.messages.append(
        {
            "id": command.message_id,
            "conversation_id": room.id,
            "n": number,
            "sender": sender,
            "sender_id": _sender_id(command.actor),
            "session_id": room.session_id,
            "data_class": command.data_class.value,
            "state": state,
            "sealed_text": command.sealed_text,
            "client_key": command.client_key,
            "body_hash": command.body_hash,
            "sent_at": group.now,
            "released_at": None,
            "expires_at": group.now + HELD_FOR if held else None,
            "leaf_id": room.leaf_id,
        }
    )
    if held:
        # The customer learns that an answer waits for a higher level, and nothing else of it.
        group.number(room, "held", {"level": int(group.policy.needed(command.data_class))})
    return Posted(command.message_id, number, state, command.data_class.value, group.now)


async def _write(db: AsyncSession, group: _Group) -> None:
    """The group's rows, a statement for each table, and the wake-ups of its rooms once they are durable."""
    if not group.messages:
        return
    await insert_many(db, Message, group.messages)
    await insert_many(db, RoomEvent, group.events)
    moved = [room for room in group.rooms.values() if room.leaf_id is not None]
    changes = [{"id": room.id, "last_n": room.last_n, "leaf_id": room.leaf_id} for room in moved]
    await update_many(db, Conversation, "id", changes)
    wakeups = services_of(db).wakeups
    for room in moved:
        after_commit(db, partial(wakeups.notify, topic(room.id)))


def _sender_id(actor: Staff | Customer) -> UUID:
    return actor.id if isinstance(actor, Staff) else actor.binding_id
