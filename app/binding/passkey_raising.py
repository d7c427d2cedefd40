"""A passkey inside its binding: it opens the locked room again, or raises a session to the level it was made at."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.binding import attempts
from app.binding.errors import MethodNotOffered
from app.binding.models import Attempt
from app.binding.passkey_proof import Weighed, accept, ask, refuse, weigh
from app.binding.passkeys import known_of, passkeys_of
from app.binding.ports import BindingPorts
from app.binding.raising import raise_session, reopen_room
from app.binding.room_entry import live_session, require_in_room
from app.binding.rules import Kind, State
from app.binding.step_up import open_attempt
from app.binding.unlocking import Unlocked
from app.database import services_of, transaction
from app.policy import Method
from app.services import Services
from app.sessions.models import Session


async def begin_unlock(services: Services, ports: BindingPorts, *, session_id: UUID) -> dict[str, Any]:
    """The question to this binding's passkeys; raises `RoomLocked`, `MethodNotOffered` when it has none."""
    async with transaction(services) as db:
        session = await live_session(db, session_id, services.clock())
        return await _ask_own(db, ports, session, Kind.UNLOCK, above=0)


async def finish_unlock(services: Services, ports: BindingPorts, *, session_id: UUID, answer: str) -> Unlocked:
    """The answer. Raises `PasskeyNotAccepted`, `AttemptOver`, `OutOfStep`, `NotFinishedHere`."""
    now = services.clock()
    async with transaction(services) as db:
        attempt = await _pending(db, session_id, Kind.UNLOCK, now)
        weighed = await _weighed(db, ports, attempt, answer, now)
        level = await accept(db, attempt, weighed, now)
        return Unlocked(level, await reopen_room(db, attempt, level, now))


async def begin_step_up(services: Services, ports: BindingPorts, *, customer: Customer) -> dict[str, Any]:
    """The question to passkeys that are worth more than this session; raises `RoomLocked`, `MethodNotOffered`."""
    async with transaction(services) as db:
        session = await require_in_room(db, customer, services.clock())
        if Method.PASSKEY not in services.policy.step_up:
            raise MethodNotOffered
        return await _ask_own(db, ports, session, Kind.STEP_UP, above=session.level)


async def finish_step_up(services: Services, ports: BindingPorts, *, session_id: UUID, answer: str) -> Unlocked:
    """The answer. Raises `PasskeyNotAccepted`, `AttemptOver`, `OutOfStep`, `NotFinishedHere`."""
    now = services.clock()
    async with transaction(services) as db:
        attempt = await _pending(db, session_id, Kind.STEP_UP, now)
        weighed = await _weighed(db, ports, attempt, answer, now)
        if weighed.level <= attempt.level:
            refuse(db, attempt, "no_higher_level")
        level = await accept(db, attempt, weighed, now)
        return Unlocked(level, await raise_session(db, attempt, level, now))


async def _ask_own(
    db: AsyncSession, ports: BindingPorts, session: Session, kind: Kind, *, above: int
) -> dict[str, Any]:
    assert session.binding_id is not None
    found = await passkeys_of(db, session.binding_id, above=above)
    if not found:
        raise MethodNotOffered
    attempt = await open_attempt(db, session, kind)
    return await ask(db, ports, attempt, await known_of(services_of(db), found))


async def _pending(db: AsyncSession, session_id: UUID, kind: Kind, now: datetime) -> Attempt:
    attempt = await attempts.of_session(db, session_id, now, kind=kind)
    attempts.require_state(attempt, State.CUSTOMER_PENDING)
    return attempt


async def _weighed(db: AsyncSession, ports: BindingPorts, attempt: Attempt, answer: str, now: datetime) -> Weighed:
    """The answer of one of this binding's own passkeys; another one's, of the same person even, opens nothing here."""
    weighed = await weigh(db, ports, attempt, answer, now, named=True)
    if not isinstance(weighed, str) and weighed.binding.id != attempt.binding_id:
        weighed = "other_binding"
    if isinstance(weighed, str):
        refuse(db, attempt, weighed)
    return weighed
