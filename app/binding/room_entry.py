"""Between a binding and its room: who is in it, which of its rows are locked first.

Locks are taken in one order everywhere: attempts, bindings, the room, sessions.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.conversations.errors import RoomLocked
from app.conversations.models import Conversation
from app.database import services_of
from app.permissions import Level
from app.sessions import rules as session_rules
from app.sessions.models import Session
from security.tokens import new_token, token_hash


async def lock_room(db: AsyncSession, binding_id: UUID) -> Conversation | None:
    """The binding's room, if it has one, held until the commit."""
    return (
        await db.execute(
            select(Conversation)
            .where(Conversation.binding_id == binding_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()


async def live_session(db: AsyncSession, session_id: UUID, now: datetime) -> Session:
    """A bound session that has not ended, locked or not; raises `RoomLocked`."""
    session = await db.get(Session, session_id, populate_existing=True)
    if session is None or session.ended_at is not None or session.expires_at <= now or session.binding_id is None:
        raise RoomLocked
    return session


async def require_in_room(db: AsyncSession, customer: Customer, now: datetime) -> Session:
    """The customer's session, if its room is open to it now; raises `RoomLocked` for a locked or idle one."""
    session = await live_session(db, customer.session_id, now)
    idle = session_rules.is_idle(services_of(db).policy.sessions, session, now)
    if session.locked or idle or session.binding_id != customer.binding_id:
        raise RoomLocked
    return session


def customer_of(session: Session, level: Level, now: datetime) -> Customer:
    """The actor of a session that has just been proved at this level."""
    assert session.binding_id is not None
    assert session.conversation_id is not None
    return Customer(
        binding_id=session.binding_id,
        conversation_id=session.conversation_id,
        session_id=session.id,
        level=int(level),
        proved_at=now,
    )


async def renew_session(db: AsyncSession, session: Session, level: Level, now: datetime) -> str:
    """The same session under a new token (ASVS 7.2.4), unlocked at this level; returns the token.

    It stays the same session, so at L2 it goes on seeing what was written in it; its absolute limit stays too, or comes
    sooner where the new level has a shorter one.
    """
    token = new_token()
    longest = services_of(db).policy.sessions.customer(level).absolute
    await db.execute(
        update(Session)
        .where(Session.id == session.id, Session.ended_at.is_(None))
        .values(
            token_hash=token_hash(token),
            locked=False,
            level=int(level),
            proved_at=now,
            last_seen_at=now,
            expires_at=min(session.expires_at, now + longest),
        )
    )
    return token
