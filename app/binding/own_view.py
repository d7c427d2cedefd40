"""What a customer may see of their own binding: how it was proved, until when, what opens it, who at the bank looked.

Roles, never names: what the log says of the case and the room. An export is not among it, since an inquiry may have to
stay unknown. A session at L2 sees its own time only, as in the room: somebody with one typed code must not learn what
was before.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.audit.models import Leaf
from app.binding import known_customers
from app.binding.models import Binding
from app.binding.passkeys import passkeys_of
from app.binding.queries import ProofFact, authenticators_of, proofs_of_binding
from app.binding.reproof import freshness_of
from app.conversations.models import Conversation
from app.database import services_of
from app.permissions import Level
from app.sessions.models import Session

MOST_LEAVES: Final = 500
MOST_LOOKS: Final = 40
Act = Literal["read_case", "took_case", "replied", "read_room", "watched_room"]
ACTS: Final[dict[str, Act]] = {
    "case.read": "read_case",
    "case.claimed": "took_case",
    "reply.registered": "replied",
    "room.read": "read_room",
    "room.watching": "watched_room",
    "room.watch_renewed": "watched_room",
    "room.watch_ended": "watched_room",
}
BANKS: Final = frozenset({"agent", "client"})
"""Kinds of actors that are the bank's own: people, and registered programs."""
GOES_ON: Final = frozenset({"room.watch_renewed", "room.watch_ended"})
"""Leaves that lengthen a look which another leaf began."""


@dataclass(frozen=True)
class Means:
    """Something enrolled that opens the binding, or helps to: its kind, since when, up to which level."""

    kind: Literal["totp", "passkey"]
    since: datetime
    max_level: int


@dataclass(frozen=True)
class BankLook:
    """What one role of the bank did on one day: how often, from when to when."""

    role: str
    act: Act
    first: datetime
    last: datetime
    times: int


@dataclass(frozen=True)
class OwnView:
    """One's own binding; `handle_until` and `customer_until` say when each must be proved anew at the latest."""

    network: str
    scope: str
    handle: str = field(repr=False)
    level: int
    created_at: datetime | None
    proved_at: datetime
    expires_at: datetime
    handle_until: datetime
    customer_until: datetime
    proofs: tuple[ProofFact, ...]
    means: tuple[Means, ...]
    looks: tuple[BankLook, ...]
    session_began: datetime
    session_ends: datetime
    older_hidden: bool


async def own_authenticators(db: AsyncSession, binding_id: UUID) -> list[Means]:
    """The authenticator apps of a binding."""
    return [Means("totp", one.created_at, one.max_level) for one in await authenticators_of(db, binding_id)]


async def own_passkeys(db: AsyncSession, binding_id: UUID) -> list[Means]:
    """The passkeys of a binding."""
    return [Means("passkey", one.created_at, one.max_level) for one in await passkeys_of(db, binding_id)]


ENROLLED: list[Callable[[AsyncSession, UUID], Awaitable[list[Means]]]] = [own_passkeys, own_authenticators]
"""What can be enrolled in a binding, each kind by its own query."""


async def own_view(db: AsyncSession, customer: Customer) -> OwnView:
    """The binding of this session; the caller has checked that the session is in its room, and noted the reading."""
    services = services_of(db)
    lifetimes = services.policy.lifetimes
    binding = await db.get_one(Binding, customer.binding_id, populate_existing=True)
    session = await db.get_one(Session, customer.session_id)
    room = await db.get_one(Conversation, customer.conversation_id)
    fresh = await freshness_of(db, binding)
    subject = await known_customers.subject_of_binding(services, binding)
    since = session.created_at if customer.level < Level.L3 else None
    means = [one for find in ENROLLED for one in await find(db, binding.id)]
    looks = await _looks(db, room, since)
    return OwnView(
        network=binding.network,
        scope=binding.scope,
        handle=subject.handle,
        level=customer.level,
        created_at=binding.created_at if since is None else None,
        proved_at=customer.proved_at,
        expires_at=binding.expires_at,
        handle_until=min(fresh.handle_proved_at + lifetimes.handle_again, binding.expires_at),
        customer_until=min(fresh.customer_proved_at + lifetimes.customer_again, binding.expires_at),
        proofs=await proofs_of_binding(db, binding.id),
        means=tuple(one for one in means if since is None or one.since >= since),
        looks=looks,
        session_began=session.created_at,
        session_ends=session.expires_at,
        older_hidden=since is not None,
    )


async def _looks(db: AsyncSession, room: Conversation, since: datetime | None) -> tuple[BankLook, ...]:
    """Newest first, as many as a page holds."""
    found: list[dict[str, Any]] = []
    for stream in (f"case:{room.case_id}", f"room:{room.id}:access"):
        newest = select(Leaf.leaf).where(Leaf.stream == stream).order_by(Leaf.n.desc()).limit(MOST_LEAVES)
        found += [json.loads(raw) for raw in (await db.execute(newest)).scalars()]
    return looks_in(found, since)


def looks_in(leaves: Sequence[dict[str, Any]], since: datetime | None) -> tuple[BankLook, ...]:
    """The looks that these leaves tell of, by day, role and act, newest first; none from before `since`."""
    looks: dict[tuple[object, str, Act], BankLook] = {}
    for leaf in leaves:
        at = datetime.fromisoformat(leaf["at"])
        if leaf["t"] not in ACTS or leaf["actor"]["k"] not in BANKS or (since is not None and at < since):
            continue
        act, role = ACTS[leaf["t"]], str(leaf["actor"].get("role", ""))
        key = (at.date(), role, act)
        known = looks.get(key, BankLook(role, act, at, at, 0))
        begun = 0 if leaf["t"] in GOES_ON else 1
        looks[key] = BankLook(role, act, min(known.first, at), max(known.last, at), known.times + begun)
    ordered = sorted(looks.values(), key=lambda look: look.last, reverse=True)
    return tuple(ordered[:MOST_LOOKS])
