"""What a proof inside a binding does to its session: a higher level, or a locked room open again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, reproof
from app.binding.models import Attempt, Binding
from app.binding.queries import is_live
from app.binding.room_entry import customer_of, live_session, lock_room, renew_session
from app.binding.rules import State
from app.conversations import service as conversations
from app.conversations.models import Conversation
from app.database import services_of
from app.permissions import Level
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session


async def raise_session(db: AsyncSession, attempt: Attempt, level: Level, now: datetime) -> str:
    """Step-up: binding, room and session rise together; returns the new session's token.

    Raises `NotFinishedHere` when the binding or session was ended meanwhile ("this was not me" wins).
    """
    binding, room, session = await _still_theirs(db, attempt, now)
    if session.locked or session_rules.is_idle(services_of(db).policy.sessions, session, now):
        await attempts.refuse(db, attempt, attempt.kind, "locked")
    data: dict[str, str | int] = {
        "level": int(level),
        "attempt": str(attempt.id),
        "method": attempt.customer_method or "",
    }
    stream = f"binding:{binding.id}"
    binding.leaf_id = await attempts.move(db, attempt, State.BOUND, "binding.stepped_up", data, stream=stream)
    binding.level, binding.proved_at = max(binding.level, int(level)), now
    await db.flush()
    await reproof.note_proofs(db, binding, customer_at=now)
    started = await sessions.raise_to_binding(
        db, session.id, binding_id=binding.id, conversation_id=room.id, level=level, now=now
    )
    actor = customer_of(started.session, level, now)
    await conversations.raise_level(db, room.id, session_id=started.session.id, level=level, actor=actor)
    return started.token


async def reopen_room(db: AsyncSession, attempt: Attempt, level: Level, now: datetime) -> str:
    """Unlock: the same session goes on under a new token, at the level of this proof; returns the token."""
    _, room, session = await _still_theirs(db, attempt, now)
    await attempts.move(db, attempt, State.BOUND, "room.unlocked", {"level": int(level)}, stream=f"room:{room.id}")
    token = await renew_session(db, session, level, now)
    actor = customer_of(session, level, now)
    await conversations.enter(db, room.id, session_id=session.id, level=level, case_id=room.case_id, actor=actor)
    return token


async def _still_theirs(db: AsyncSession, attempt: Attempt, now: datetime) -> tuple[Binding, Conversation, Session]:
    """Binding, room and session, locked in that order; ends the attempt if one of them has ended."""
    binding = (
        await db.get(Binding, attempt.binding_id, with_for_update=True, populate_existing=True)
        if attempt.binding_id
        else None
    )
    if binding is None or not is_live(binding, now):
        await attempts.refuse(db, attempt, attempt.kind, "binding_over")
    if await reproof.reproof_of(db, binding, now) is not None:
        await attempts.refuse(db, attempt, attempt.kind, "reproof_needed")
    room = await lock_room(db, binding.id)
    session = await live_session(db, attempt.session_id, now)
    if room is None or room.id != session.conversation_id:
        await attempts.refuse(db, attempt, attempt.kind, "room_gone")
    return binding, room, session
