"""Asking for more: a step-up attempt belongs to one session and one binding, and must name the bound customer.

A typed code can never raise a level (design, decision 9), so a step-up always leaves for an identity provider.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.binding import attempts, known_customers
from app.binding.errors import MethodNotOffered
from app.binding.flows import Leaving
from app.binding.identity_proof import depart, store_departure
from app.binding.models import Attempt, Binding
from app.binding.ports import BindingPorts
from app.binding.queries import is_live
from app.binding.reproof import require_fresh
from app.binding.room_entry import require_in_room
from app.binding.rules import Kind, State, best_level
from app.conversations.errors import RoomLocked
from app.conversations.models import Conversation
from app.database import services_of, transaction
from app.policy import Method
from app.services import Services
from app.sessions.models import Session


async def begin_step_up(services: Services, ports: BindingPorts, *, customer: Customer, provider: str) -> Leaving:
    """Leave for a provider that can prove more than this session's level. Raises `MethodNotOffered`, `RoomLocked`."""
    offered = ports.provider(provider)
    async with transaction(services) as db:
        session = await require_in_room(db, customer, services.clock())
        policy = services.policy
        if Method.IDENTITY not in policy.step_up or best_level(policy, offered.relay_resistant) <= session.level:
            raise MethodNotOffered
        attempt = await open_attempt(db, session, Kind.STEP_UP)
        departing = await store_departure(db, ports, attempt, offered)
    return await depart(services, departing)


async def open_attempt(db: AsyncSession, session: Session, kind: Kind) -> Attempt:
    """A new attempt of a bound session, which puts an older one of its kind out of use.

    Raises `RoomLocked`, or `ReproofNeeded` where one factor is not enough any more.
    """
    services = services_of(db)
    now = services.clock()
    binding = await db.get(Binding, session.binding_id) if session.binding_id else None
    room = await db.get(Conversation, session.conversation_id) if session.conversation_id else None
    if binding is None or room is None or not is_live(binding, now):
        raise RoomLocked
    await require_fresh(db, binding, now)
    older = await attempts.latest_of_session(db, session.id, kind=kind)
    if older is not None:
        await attempts.move(db, older, State.CANCELLED, "attempt.cancelled", {"reason": "started_again"})
    entry = await attempts.bound_by(db, binding.id)
    return await attempts.add(
        db,
        session_id=session.id,
        kind=kind,
        slug="",
        case_id=room.case_id,
        state=State.HANDLE_OK,
        level=session.level,
        subject=await known_customers.subject_of_binding(services, binding),
        binding_id=binding.id,
        connector=entry.connector if entry else None,
        handle_hash=binding.handle_hash,
        handle_method=entry.handle_method if entry else None,
    )
