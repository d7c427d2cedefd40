"""Read marks: up to which number a side has read. Many are moved in one statement, forward only.

A mark says "everything up to here was shown". A session that may not see an older answer of the bank must not move the
customer's mark past it: its author would be told that it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Text, Uuid, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeEngine

from app.actors import Actor, Customer, Staff
from app.bulk import as_parameter, wanted
from app.conversations.models import Conversation, Message, ReadMark
from app.conversations.rules import only_session
from app.database import UtcDateTime
from app.policy import Needs
from app.services import Services


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one reader was shown up to `n`: for a customer as far as `level` and `only_session` let it see."""

    room_id: UUID
    side: str
    n: int
    level: int | None = None
    only_session: UUID | None = None


def side_of(actor: Actor) -> str:
    """Which of the two sides of a room the actor stands on."""
    return "agent" if isinstance(actor, Staff) else "customer"


def delivered_to(actor: Staff | Customer, room_id: UUID, n: int) -> Delivered:
    """That this reader was shown its room up to number `n`."""
    if isinstance(actor, Staff):
        return Delivered(room_id, "agent", n)
    return Delivered(room_id, "customer", n, actor.level, only_session(actor.level, actor.session_id))


async def move_marks(services: Services, delivered: Sequence[Delivered]) -> list[tuple[UUID, str]]:
    """Move the marks in one transaction; returns (room, side) of those that moved."""
    async with services.write_engine.begin() as connection:
        moved = await connection.execute(
            _move(connection.dialect.name, services.policy.needs),
            {"marks": as_parameter([_row(one) for one in delivered]), "now": services.clock()},
        )
        return [(room, side) for room, side in moved]


def _row(one: Delivered) -> dict[str, object]:
    return {"room": one.room_id, "side": one.side, "n": one.n, "level": one.level, "only": one.only_session}


@lru_cache(maxsize=4)
def _move(dialect: str, needs: Needs) -> Any:
    columns: dict[str, TypeEngine[Any]] = {
        "room": Uuid(),
        "side": Text(),
        "n": Integer(),
        "level": Integer(),
        "only": Uuid(),
    }
    ask = wanted(dialect, "marks", columns)
    old = aliased(ReadMark)
    unseen = (
        select(func.min(Message.n) - 1)
        .where(
            Message.conversation_id == ask.c.room,
            Message.sender == "agent",
            Message.n > func.coalesce(old.n, 0),
            Message.n <= ask.c.n,
            _is_unseen(needs, ask.c.level, ask.c.only),
        )
        .scalar_subquery()
    )
    rows = (
        select(
            Conversation.id,
            ask.c.side,
            case((ask.c.level.is_(None), ask.c.n), else_=func.coalesce(unseen, ask.c.n)),
            literal(0),
            bindparam("now", type_=UtcDateTime()),
        )
        .join(Conversation, Conversation.id == ask.c.room)
        .outerjoin(old, and_(old.conversation_id == ask.c.room, old.side == ask.c.side))
        .where(func.coalesce(old.n, -1) < ask.c.n)
        # One order for everybody: two processes that move the same marks must not wait for each other in a ring.
        .order_by(Conversation.id, ask.c.side)
    )
    insert = postgresql.insert(ReadMark) if dialect == "postgresql" else sqlite.insert(ReadMark)
    insertion = insert.from_select(["conversation_id", "side", "n", "noticed_n", "at"], rows)
    return insertion.on_conflict_do_update(
        index_elements=["conversation_id", "side"],
        set_={"n": insertion.excluded.n, "at": insertion.excluded.at},
        where=ReadMark.n < insertion.excluded.n,
    ).returning(ReadMark.conversation_id, ReadMark.side)


def _is_unseen(needs: Needs, level: ColumnElement[int], only: ColumnElement[UUID]) -> ColumnElement[bool]:
    """`rules.sight` turned round, as SQL."""
    needed = case({kind: int(least) for kind, least in vars(needs).items()}, value=Message.data_class, else_=99)
    elsewhere = or_(Message.session_id.is_(None), Message.session_id != only)
    return or_(needed > level, and_(only.is_not(None), elsewhere))


async def other_sides_mark(db: AsyncSession, conversation_id: UUID, actor: Actor) -> int:
    """Up to which number the other side has read."""
    side = "customer" if isinstance(actor, Staff) else "agent"
    statement = select(ReadMark.n).where(ReadMark.conversation_id == conversation_id, ReadMark.side == side)
    return (await db.execute(statement)).scalar_one_or_none() or 0
