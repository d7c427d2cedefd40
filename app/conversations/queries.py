"""Reads of rooms, each scoped by who reads: staff by case, customers by their session, its level and its class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Result, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer, Staff
from app.audit.service import record
from app.cases.models import Case
from app.conversations.errors import NotYourRoom, RoomLocked
from app.conversations.models import Conversation, Message, ReadMark, RoomEvent
from app.conversations.rules import sight
from app.database import services_of
from app.errors import NotFound
from app.permissions import ROOM_READING, Permission, held_by
from app.policy import Policy
from app.sessions.models import Session
from app.sessions.rules import is_idle
from security.envelope import Place


@dataclass(frozen=True)
class Entry:
    """One numbered thing of a room, opened for its reader; `text` only for messages, `sender_name` only in streams."""

    n: int
    kind: str
    at: datetime
    message_id: UUID | None = None
    sender: str | None = None
    sender_id: UUID | None = None
    data_class: str | None = None
    text: str | None = None
    data: dict[str, Any] | None = None
    sender_name: str | None = None


@dataclass(frozen=True)
class HeldAnswer:
    """An answer that waits for a step-up, as its author sees it."""

    message_id: UUID
    sender_id: UUID
    data_class: str
    text: str
    sent_at: datetime
    state: str


async def room_for_staff(
    db: AsyncSession, staff: Staff, conversation_id: UUID, *, act: str, lock: bool = False
) -> Conversation:
    """The room, if its case is this member's or the role may read any; a refusal leaves a leaf.

    An insider without the case meets `NotYourRoom`; who may see no case at all meets `NotFound`.
    """
    statement = select(Conversation).where(Conversation.id == conversation_id)
    room = (await db.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()
    held = held_by(staff)
    if room is None or not held >= ROOM_READING:
        raise NotFound
    assigned = (await db.execute(select(Case.assigned_to).where(Case.id == room.case_id))).scalar_one()
    if assigned != staff.id and Permission.ROOMS_READ_ANY not in held:
        record(
            db,
            "room.refused",
            stream=f"room:{room.id}:access",
            actor=staff,
            data={"reason": "not_assigned", "act": act},
        )
        raise NotYourRoom
    return room


async def room_for_customer(db: AsyncSession, customer: Customer, now: datetime, *, lock: bool = False) -> Conversation:
    """The customer's own room, if the session is still the one that is in it. Raises `RoomLocked`."""
    statement = select(Conversation).where(
        Conversation.id == customer.conversation_id, Conversation.binding_id == customer.binding_id
    )
    room = (await db.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()
    session = await db.get(Session, customer.session_id)
    if (
        room is None
        or session is None
        or room.session_id != customer.session_id
        or not session_is_live(services_of(db).policy, session, now)
        or session.level != customer.level
    ):
        raise RoomLocked
    return room


def session_is_live(policy: Policy, session: Session, now: datetime) -> bool:
    """Neither ended, expired, locked nor idle."""
    return (
        session.ended_at is None
        and session.expires_at > now
        and not session.locked
        and not is_idle(policy.sessions, session, now)
    )


async def rooms_of_case(db: AsyncSession, case_ids: Sequence[UUID]) -> list[Conversation]:
    """The rooms that cases have now; the caller has read the cases with its actor."""
    statement = select(Conversation).where(Conversation.case_id.in_(case_ids))
    return list((await db.execute(statement.order_by(Conversation.opened_at))).scalars())


@dataclass(frozen=True)
class Window:
    """Which part of a room: behind `after`, or, without it, the newest entries, or the newest before `before`."""

    after: int | None = None
    before: int | None = None
    limit: int = 200


def _entries(conversation_id: UUID, window: Window) -> Select[RoomEvent, Message]:
    statement = (
        select(RoomEvent, Message)
        .outerjoin(Message, Message.id == RoomEvent.message_id)
        .where(RoomEvent.conversation_id == conversation_id)
        .limit(window.limit)
    )
    if window.before is not None:
        statement = statement.where(RoomEvent.n < window.before)
    if window.after is None:
        return statement.order_by(RoomEvent.n.desc())
    return statement.where(RoomEvent.n > window.after).order_by(RoomEvent.n)


async def entries_for_customer(db: AsyncSession, customer: Customer, window: Window) -> list[Entry]:
    """What this session may see of its room, in order: the level's classes, at L2 only its own time."""
    seen = sight(services_of(db).policy, customer.level, customer.session_id)
    visible: ColumnElement[bool] = Message.data_class.in_(seen.classes)
    other: ColumnElement[bool] = RoomEvent.message_id.is_(None)
    if seen.only_session is not None:
        visible = and_(visible, Message.session_id == seen.only_session)
        # When somebody came, went or proved more before is no business of whoever holds one typed code.
        begun = select(Session.created_at).where(Session.id == seen.only_session).scalar_subquery()
        other = and_(other, RoomEvent.at >= begun)
    statement = _entries(customer.conversation_id, window).where(or_(other, visible))
    return await _opened(db, await db.execute(statement))


async def entries_for_staff(db: AsyncSession, room: Conversation, window: Window) -> list[Entry]:
    """In order; the caller has the room from `room_for_staff` and has recorded the reading."""
    return await _opened(db, await db.execute(_entries(room.id, window)))


async def _opened(db: AsyncSession, rows: Result[RoomEvent, Message]) -> list[Entry]:
    entries = []
    for event, joined in rows:
        message: Message | None = joined
        if message is None:
            entries.append(Entry(event.n, event.kind, event.at, data=json.loads(event.data)))
            continue
        entries.append(
            Entry(
                event.n,
                event.kind,
                message.released_at or message.sent_at,
                message.id,
                message.sender,
                message.sender_id,
                message.data_class,
                await message_text(db, message),
            )
        )
    return sorted(entries, key=lambda entry: entry.n)


async def message_text(db: AsyncSession, message: Message) -> str:
    """The text of a message, opened."""
    place = Place("messages", "sealed_text", str(message.id))
    return await services_of(db).vault.open_text(place, message.sealed_text)


async def held_answers(db: AsyncSession, room: Conversation) -> list[HeldAnswer]:
    """Answers that wait, or expired unseen; for staff who have the room."""
    rows = (
        await db.execute(
            select(Message)
            .where(Message.conversation_id == room.id, Message.state.in_(["held", "expired"]))
            .order_by(Message.sent_at, Message.id)
        )
    ).scalars()
    return [
        HeldAnswer(row.id, row.sender_id, row.data_class, await message_text(db, row), row.sent_at, row.state)
        for row in rows
    ]


async def waiting_answers(db: AsyncSession, conversation_id: UUID) -> list[tuple[str, datetime]]:
    """(class, expiry) of the answers that wait for this customer; nothing else of them is told."""
    rows = await db.execute(
        select(Message.data_class, Message.expires_at)
        .where(
            Message.conversation_id == conversation_id,
            Message.state == "held",
            # Overdue ones will not be released, even before a sweep has met them.
            Message.expires_at > services_of(db).clock(),
        )
        .order_by(Message.sent_at)
    )
    return [(row.data_class, row.expires_at) for row in rows]


async def has_older(db: AsyncSession, customer: Customer) -> bool:
    """Whether the room holds messages that this session may not see."""
    unseen = or_(Message.session_id.is_(None), Message.session_id != customer.session_id)
    found = await db.execute(
        select(Message.id)
        .where(Message.conversation_id == customer.conversation_id, Message.n.is_not(None), unseen)
        .limit(1)
    )
    return found.first() is not None


async def read_mark(db: AsyncSession, conversation_id: UUID, side: str) -> int:
    """Up to which number this side has read."""
    mark = await db.get(ReadMark, (conversation_id, side))
    return mark.n if mark is not None else 0


async def unread_counts(db: AsyncSession, conversation_ids: Sequence[UUID], side: str) -> dict[UUID, int]:
    """How many messages of the other side wait for `side`, by room."""
    other = "customer" if side == "agent" else "agent"
    # Counted from the room's mark: from the messages, with the mark joined to each, a room is read from its beginning.
    waiting = (
        select(func.count())
        .where(
            Message.conversation_id == Conversation.id,
            Message.sender == other,
            Message.n > func.coalesce(ReadMark.n, 0),
        )
        .correlate(Conversation, ReadMark)
        .scalar_subquery()
    )
    rows = await db.execute(
        select(Conversation.id, waiting)
        .outerjoin(ReadMark, and_(ReadMark.conversation_id == Conversation.id, ReadMark.side == side))
        .where(Conversation.id.in_(conversation_ids))
    )
    return {row[0]: row[1] for row in rows if row[1]}
