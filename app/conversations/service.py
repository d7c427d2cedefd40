"""The life of a room: opened for a binding, entered and left by its one customer session, raised, locked, closed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Staff
from app.audit.models import Leaf
from app.audit.service import record
from app.conversations.models import Conversation, Message, RoomEvent
from app.conversations.queries import room_for_staff
from app.conversations.rules import require_open
from app.database import after_commit, services_of
from app.errors import NotFound
from app.permissions import Level, Permission, require
from security.keys import DataKey

OPEN: Final = "open"
CLOSED: Final = "closed"
Leaving = Literal["locked", "left", "expired", "revoked"]


@dataclass(frozen=True)
class Place:
    """The session that is in the room, and at which level."""

    session_id: UUID
    level: Level


def topic(conversation_id: UUID) -> str:
    """The wake-up topic of a room."""
    return f"room:{conversation_id}"


async def room_of_binding(db: AsyncSession, binding_id: UUID) -> Conversation | None:
    """The room of a binding, if it was ever opened."""
    return (await db.execute(select(Conversation).where(Conversation.binding_id == binding_id))).scalar_one_or_none()


async def open_room(
    db: AsyncSession, *, conversation_id: UUID, binding_id: UUID, case_id: UUID, key: DataKey, actor: Actor
) -> Conversation:
    """A new, empty room. Its key must be in the key store already."""
    room = Conversation(
        id=conversation_id,
        binding_id=binding_id,
        case_id=case_id,
        key_id=key.id,
        state=OPEN,
        level=0,
        session_id=None,
        last_n=0,
        opened_at=services_of(db).clock(),
        closed_at=None,
        leaf_id=record(
            db,
            "room.opened",
            stream=f"room:{conversation_id}",
            actor=actor,
            data={"binding": str(binding_id), "case": str(case_id), "key": str(key.id)},
        ),
    )
    db.add(room)
    await db.flush()
    return room


async def enter(
    db: AsyncSession, conversation_id: UUID, *, session_id: UUID, level: Level, case_id: UUID, actor: Actor
) -> None:
    """A proved session comes in, the room's only one now; a closed room opens again, waiting answers are freed."""
    room = await _locked(db, conversation_id)
    if room.state == CLOSED or room.case_id != case_id:
        room.state, room.closed_at = OPEN, None
        record(db, "room.reopened", stream=_stream(room), actor=actor, data={"case": str(case_id)})
    room.case_id = case_id
    _settle(db, room, Place(session_id, level), actor, "room.entered")
    await _release_held(db, room, actor)


async def raise_level(db: AsyncSession, conversation_id: UUID, *, session_id: UUID, level: Level, actor: Actor) -> None:
    """The session has proved more: answers that waited for this level are freed, in the order they were written."""
    room = await _locked(db, conversation_id)
    _settle(db, room, Place(session_id, level), actor, "room.level_set")
    await _release_held(db, room, actor)


async def vacate(db: AsyncSession, conversation_id: UUID, *, reason: Leaving, actor: Actor) -> None:
    """Nobody is in the room any more; its streams end. The level last proved stays, for answers written meanwhile.

    A revoked binding leaves nothing behind: the level is gone, and nobody writes into its room until it is bound anew.
    """
    room = await _locked(db, conversation_id)
    if room.session_id is not None:
        session_id, room.session_id = room.session_id, None
        if reason == "left":
            room.leaf_id = record(db, "room.left", stream=_stream(room), actor=actor, data={"session": str(session_id)})
        else:
            room.leaf_id = record(db, "room.locked", stream=_stream(room), actor=actor, data={"reason": reason})
        add_event(db, room, "lock", {"reason": reason})
    if reason == "revoked" and room.state == OPEN:
        room.level = 0
        _close(db, room, actor, "revoked")


def _close(db: AsyncSession, room: Conversation, actor: Actor, reason: str) -> None:
    room.state, room.closed_at = CLOSED, services_of(db).clock()
    room.leaf_id = record(db, "room.closed", stream=_stream(room), actor=actor, data={"reason": reason})
    add_event(db, room, "closed", {})


async def request_step_up(db: AsyncSession, staff: Staff, conversation_id: UUID, level: Level) -> None:
    """Ask the customer, in the room, to prove more; the agent can ask, never raise."""
    require(staff, Permission.ROOMS_TALK)
    room = await room_for_staff(db, staff, conversation_id, act="step_up", lock=True)
    require_open(room.state)
    room.leaf_id = record(db, "room.step_up_requested", stream=_stream(room), actor=staff, data={"level": int(level)})
    add_event(db, room, "step_up_requested", {"level": int(level)})


async def close_rooms_of_case(db: AsyncSession, staff: Staff, case_id: UUID) -> None:
    """The case has ended: its rooms take no more messages; the customer may still read and rate."""
    rooms = (
        await db.execute(
            select(Conversation)
            .where(Conversation.case_id == case_id, Conversation.state == OPEN)
            .order_by(Conversation.id)
            .with_for_update()
        )
    ).scalars()
    for room in rooms:
        _close(db, room, staff, "case_closed")


def add_event(
    db: AsyncSession, room: Conversation, kind: str, data: Mapping[str, object], message_id: UUID | None = None
) -> int:
    """Number the next thing of the room's stream; the caller holds the room's row and has given it a new leaf."""
    services = services_of(db)
    room.last_n += 1
    db.add(
        RoomEvent(
            conversation_id=room.id,
            n=room.last_n,
            kind=kind,
            message_id=message_id,
            data=json.dumps(dict(data)),
            at=services.clock(),
        )
    )
    room_topic = topic(room.id)
    after_commit(db, lambda: services.wakeups.notify(room_topic))
    return room.last_n


def _settle(db: AsyncSession, room: Conversation, place: Place, actor: Actor, event: str) -> None:
    room.session_id, room.level = place.session_id, int(place.level)
    room.leaf_id = record(
        db,
        event,
        stream=_stream(room),
        actor=actor,
        data={"level": int(place.level), "session": str(place.session_id)},
    )
    add_event(db, room, "level", {"level": int(place.level)})


async def _release_held(db: AsyncSession, room: Conversation, actor: Actor) -> None:
    """A held answer gets its number now, so that replay by cursor meets it where the customer first could."""
    allowed = [kind.value for kind in services_of(db).policy.classes_at(room.level)]
    now = services_of(db).clock()
    held = (
        await db.execute(
            select(Message)
            .where(
                Message.conversation_id == room.id,
                Message.state == "held",
                Message.data_class.in_(allowed),
                Message.expires_at > now,
            )
            # by its leaf's number in the room's stream: a clock that was set back must not turn two answers round
            .join(Leaf, Leaf.id == Message.leaf_id)
            .order_by(Leaf.n)
            .with_for_update(of=Message)
        )
    ).scalars()
    for message in held:
        message.n = add_event(db, room, "message", {}, message.id)
        message.state, message.released_at, message.session_id = "sent", now, room.session_id
        message.leaf_id = room.leaf_id = record(
            db,
            "message.released",
            stream=_stream(room),
            actor=actor,
            data={"id": str(message.id), "number": message.n, "level": room.level},
        )


async def expire_held(db: AsyncSession, conversation_id: UUID, actor: Actor) -> int:
    """Answers of a room that nobody stepped up for expire unseen, each with its leaf; returns how many.

    The room first, then its messages, as everywhere. The room's stream tells both sides to look again: the agent that
    it was not read, the customer only that nothing waits any more.
    """
    room = await _locked(db, conversation_id)
    now = services_of(db).clock()
    expired = list(
        (
            await db.execute(
                select(Message)
                .where(Message.conversation_id == room.id, Message.state == "held", Message.expires_at <= now)
                .join(Leaf, Leaf.id == Message.leaf_id)
                .order_by(Leaf.n)
                .with_for_update(of=Message)
            )
        ).scalars()
    )
    for message in expired:
        message.state = "expired"
        message.leaf_id = room.leaf_id = record(
            db, "message.expired", stream=_stream(room), actor=actor, data={"id": str(message.id)}
        )
    if expired:
        add_event(db, room, "held_expired", {"count": len(expired)})
    return len(expired)


async def _locked(db: AsyncSession, conversation_id: UUID) -> Conversation:
    room = await db.get(Conversation, conversation_id, with_for_update=True, populate_existing=True)
    if room is None:
        raise NotFound
    return room


def _stream(room: Conversation) -> str:
    return f"room:{room.id}"
