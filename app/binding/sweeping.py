"""What time does: attempts expire, idle sessions lock their rooms, old sessions and bindings end."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.binding import attempts, message_windows, posted_answers, reproof, rules
from app.binding.models import Attempt, Binding
from app.binding.revoking import revoke
from app.binding.room_entry import lock_room
from app.binding.rules import BindingState, State
from app.conversations import service as conversations
from app.database import reading, services_of, transaction
from app.permissions import Level
from app.policy import Sessions
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions import sweeping as session_sweeps
from app.sessions.models import Session

GROUP: Final = 100


async def sweep(services: Services) -> None:
    """All of them, once."""
    await expire_attempts(services)
    await posted_answers.forget_old(services)
    await message_windows.forget_old(services)
    await lock_idle_sessions(services)
    await session_sweeps.end_over(services)
    await expire_bindings(services)
    await reproof.note_aged(services)


async def expire_attempts(services: Services) -> int:
    """End attempts that are too old, each with its leaf; returns how many."""
    now = services.clock()
    async with transaction(services) as db:
        old = list(
            (
                await db.execute(
                    select(Attempt)
                    .where(Attempt.state.in_(rules.OPEN_STATES), Attempt.expires_at <= now)
                    .order_by(Attempt.id)
                    .limit(GROUP)
                    .with_for_update(skip_locked=True)
                )
            ).scalars()
        )
        for attempt in old:
            await attempts.move(db, attempt, State.EXPIRED, "attempt.expired", {"state": attempt.state}, actor=SYSTEM)
    return len(old)


async def lock_idle_sessions(services: Services) -> int:
    """Lock the rooms of idle sessions and end sessions past their absolute limit; returns how many."""
    now, terms = services.clock(), services.policy.sessions
    idle = or_(
        *(
            and_(Session.level == int(level), Session.last_seen_at < now - terms.customer(level).idle)
            for level in (Level.L2, Level.L3, Level.L4)
        )
    )
    async with reading(services) as db:
        found = await db.execute(
            select(Session.id)
            .where(
                Session.binding_id.is_not(None),
                Session.ended_at.is_(None),
                or_(session_sweeps.over(now), and_(Session.locked.is_(False), idle)),
            )
            .limit(GROUP)
        )
        due = list(found.scalars())
    for session_id in due:
        async with transaction(services) as db:
            await _lock_or_end(db, session_id, now)
    return len(due)


def _is_due(terms: Sessions, session: Session, now: datetime) -> bool:
    if session.ended_at is not None:
        return False
    idle = session_rules.is_idle(terms, session, now)
    return session_sweeps.is_over(session, now) or (idle and not session.locked)


async def _lock_or_end(db: AsyncSession, session_id: UUID, now: datetime) -> None:
    """Room first, then session, as everywhere; looked at again, since its owner may have come back meanwhile."""
    session = await db.get_one(Session, session_id)
    assert session.binding_id is not None
    room = await lock_room(db, session.binding_id)
    await db.refresh(session)
    if not _is_due(services_of(db).policy.sessions, session, now):
        return
    over = session_sweeps.is_over(session, now)
    if room is not None and room.session_id == session_id:
        await conversations.vacate(db, room.id, reason="expired" if over else "locked", actor=SYSTEM)
    if over:
        await sessions.end(db, session_id, now)
    else:
        await sessions.lock(db, session_id)


async def expire_bindings(services: Services) -> int:
    """End bindings whose time is over; returns how many."""
    now = services.clock()
    async with reading(services) as db:
        over = list(
            (
                await db.execute(
                    select(Binding.id)
                    .where(Binding.state == BindingState.ACTIVE, Binding.expires_at <= now)
                    .limit(GROUP)
                )
            ).scalars()
        )
    for binding_id in over:
        async with transaction(services) as db:
            await revoke(db, binding_id, reason="expired", actor=SYSTEM)
    return len(over)
