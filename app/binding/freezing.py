"""Customers to whom nothing is linked for a while, because the bank says so: no pair, whoever comes with what handle.

A frozen pair alone would not do: who holds a stolen telephone and has begun an attempt, or complains under an account
of his own, would be back a second later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Integer, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor
from app.audit.service import record
from app.binding.models import CustomerFreeze
from app.database import dialect_of, services_of
from app.ids import new_id

_LOCKS: Final = 0x52425F46
"""Among PostgreSQL's advisory locks of two numbers, ours; the second number is the customer's."""


async def lock_customer(db: AsyncSession, customer_hash: bytes) -> None:
    """Hold a customer until the commit: after attempts, before bindings.

    Of a confirmation and a freeze at the same moment the second one sees what the first has done. There may be no row
    to lock yet. SQLite has one writer.
    """
    if dialect_of(db) == "postgresql":
        number = int.from_bytes(customer_hash[:4], "big", signed=True)
        await db.execute(select(func.pg_advisory_xact_lock(literal(_LOCKS, Integer()), literal(number, Integer()))))


async def is_shut(db: AsyncSession, customer_hash: bytes, now: datetime) -> bool:
    """Whether nothing may be linked to this customer now."""
    until = select(CustomerFreeze.frozen_until).where(CustomerFreeze.customer_hash == customer_hash)
    found = (await db.execute(until)).scalar_one_or_none()
    return found is not None and found > now


async def shut(db: AsyncSession, customer_hash: bytes, *, because: str, ended: int, actor: Actor) -> None:
    """Shut a customer for the policy's time from now on; `ended` links went with it. The caller holds the customer."""
    services = services_of(db)
    now = services.clock()
    until = now + services.policy.lifetimes.freeze
    known = select(CustomerFreeze).where(CustomerFreeze.customer_hash == customer_hash).with_for_update()
    freeze = (await db.execute(known.execution_options(populate_existing=True))).scalar_one_or_none()
    freeze_id = freeze.id if freeze is not None else new_id(now)
    data: dict[str, str | int] = {"until": until.isoformat(), "because": because, "ended": ended}
    leaf_id = record(db, "customer.frozen", stream=f"freeze:{freeze_id}", actor=actor, data=data)
    if freeze is None:
        db.add(CustomerFreeze(id=freeze_id, customer_hash=customer_hash, frozen_until=until, leaf_id=leaf_id))
    else:
        freeze.frozen_until, freeze.leaf_id = until, leaf_id
    await db.flush()
