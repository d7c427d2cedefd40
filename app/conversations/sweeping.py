"""What time does to rooms: waiting answers expire unseen, an unread answer is announced without its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.conversations.models import Conversation, Message, ReadMark
from app.conversations.rules import NOTICE_AFTER
from app.conversations.service import expire_held
from app.database import reading, services_of, transaction, upsert
from app.services import Services


@dataclass(frozen=True)
class Unread:
    """A room with an answer that its customer has not read for two minutes, and that was not announced yet."""

    conversation_id: UUID
    binding_id: UUID
    n: int


async def expire(services: Services) -> int:
    """Expire held answers whose day is over, room by room; returns how many."""
    due = (
        select(Message.conversation_id)
        .where(Message.state == "held", Message.expires_at <= services.clock())
        .order_by(Message.expires_at)
        .limit(100)
    )
    async with reading(services) as db:
        # not DISTINCT, for which SQLite reads all messages room by room
        rooms = list(dict.fromkeys((await db.execute(due)).scalars()))
    expired = 0
    for conversation_id in rooms:
        async with transaction(services) as db:
            expired += await expire_held(db, conversation_id, SYSTEM)
    return expired


async def unread_answers(services: Services) -> list[Unread]:
    """Rooms to announce now. The announcing feature calls `announced` in the transaction that enqueues its notice."""
    before = services.clock() - NOTICE_AFTER
    seen, noticed = func.coalesce(ReadMark.n, 0), func.coalesce(ReadMark.noticed_n, 0)
    # From the rooms, and in each from its first unseen answer, which is the oldest: from the messages, each look would
    # read all that were ever written.
    is_old = and_(or_(Message.released_at.is_(None), Message.released_at < before), Message.sent_at < before)
    unseen = and_(Message.conversation_id == Conversation.id, Message.n > seen, Message.sender == "agent")
    first_is_old = select(is_old).where(unseen).order_by(Message.n).limit(1)
    last = select(Message.n).where(unseen).order_by(Message.n.desc()).limit(1)
    statement = (
        select(Conversation.id, Conversation.binding_id, _of_room(last).label("n"))
        .outerjoin(ReadMark, and_(ReadMark.conversation_id == Conversation.id, ReadMark.side == "customer"))
        .where(Conversation.last_n > seen, noticed <= seen, _of_room(first_is_old))
        .limit(100)
    )
    async with reading(services) as db:
        return [Unread(row.id, row.binding_id, row.n) for row in await db.execute(statement)]


def _of_room(one: Select[Any]) -> ScalarSelect[Any]:
    return one.correlate(Conversation, ReadMark).scalar_subquery()


async def announced(db: AsyncSession, unread: Unread) -> None:
    """Note that the notice for this number is on its way: one notice per silence, never one per message."""
    now = services_of(db).clock()
    await db.execute(
        upsert(db, ReadMark)
        .values(conversation_id=unread.conversation_id, side="customer", n=0, noticed_n=unread.n, at=now)
        .on_conflict_do_update(index_elements=["conversation_id", "side"], set_={"noticed_n": unread.n})
    )
