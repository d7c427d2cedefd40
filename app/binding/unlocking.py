"""Back into a locked room: a code to the bound customer's channel on file, an authenticator, or an identity provider.

NIST SP 800-63B-4: after inactivity one factor and the live session's secret are enough. A typed code gives L2 at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.binding import attempts, customer_proof, known_customers, pairs
from app.binding.errors import MethodNotOffered
from app.binding.flows import Leaving
from app.binding.identity_proof import depart, store_departure
from app.binding.models import Binding
from app.binding.ports import BindingPorts
from app.binding.raising import reopen_room
from app.binding.room_entry import live_session
from app.binding.rules import CodeMethod, Kind, State
from app.binding.step_up import open_attempt
from app.database import transaction
from app.permissions import Level
from app.services import Services


@dataclass(frozen=True)
class Unlocked:
    """The room is open again, under a new token for the visitor's cookie."""

    level: Level
    session_token: str = field(repr=False)


async def request_unlock_code(
    services: Services, ports: BindingPorts, *, session_id: UUID, method: str, network: str
) -> None:
    """Ask for `sms`, `email` or `totp`; nobody types who they are. Raises `EnoughCodes`, `Locked`, `RoomLocked`."""
    if method not in ports.code_methods(services.policy):
        raise MethodNotOffered
    now = services.clock()
    async with transaction(services) as db:
        session = await live_session(db, session_id, now)
        attempt = await attempts.latest_of_session(db, session_id, kind=Kind.UNLOCK)
        if attempt is None or attempt.expires_at <= now:
            attempt = await open_attempt(db, session, Kind.UNLOCK)
        binding = await db.get_one(Binding, attempt.binding_id)
        customer = await known_customers.of_binding(services, binding)
        await customer_proof.ask(
            db,
            attempt,
            method=CodeMethod(method),
            identifier=customer.customer_number,
            network=network,
            shown=await pairs.pair_hash(services, binding.handle_hash, binding.customer_hash),
        )


async def check_unlock_code(services: Services, *, session_id: UUID, code: str, network: str) -> Unlocked:
    """The typed code. Raises `CodeWrong`, `Locked`, `NotReady`, `AttemptOver`, `NotFinishedHere`."""
    now = services.clock()
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, now, kind=Kind.UNLOCK)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        level = await customer_proof.check(db, attempt, code, network, now)
        return Unlocked(level, await reopen_room(db, attempt, level, now))


async def begin_unlock(services: Services, ports: BindingPorts, *, session_id: UUID, provider: str) -> Leaving:
    """Leave for an identity provider; its callback (`finish_identity`) opens the room at that proof's level."""
    offered = ports.provider(provider)
    async with transaction(services) as db:
        session = await live_session(db, session_id, services.clock())
        attempt = await open_attempt(db, session, Kind.UNLOCK)
        departing = await store_departure(db, ports, attempt, offered)
    return await depart(services, departing)
