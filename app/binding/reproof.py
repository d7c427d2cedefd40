"""When a binding must be proved anew: by age, or because a network says that the account changed.

Until then one factor (a passkey's tap, an unlock) lets the bound customer in. From then on only the whole way does,
handle and customer, whose confirmation makes both fresh again.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Actor
from app.audit.service import record
from app.binding import rules
from app.binding.errors import ReproofNeeded
from app.binding.models import Binding, Freshness
from app.binding.room_entry import lock_room
from app.binding.rules import BindingState, Reproof
from app.conversations import service as conversations
from app.database import reading, services_of, transaction, upsert
from app.services import Services
from app.sessions import service as sessions

GROUP = 100


async def reproof_of(db: AsyncSession, binding: Binding, now: datetime) -> Reproof | None:
    """What asks for new proofs of this binding now; None while one factor is enough to come back."""
    fresh = await freshness_of(db, binding)
    return rules.reproof_due(
        services_of(db).policy.lifetimes,
        fresh.needs,
        handle_proved_at=fresh.handle_proved_at,
        customer_proved_at=fresh.customer_proved_at,
        now=now,
    )


async def require_fresh(db: AsyncSession, binding: Binding, now: datetime) -> None:
    """Raise `ReproofNeeded` where only the whole way in may open this binding."""
    if await reproof_of(db, binding, now) is not None:
        raise ReproofNeeded


async def freshness_of(db: AsyncSession, binding: Binding) -> Freshness:
    """The binding's row; for one that was made before there were such rows, what its own row says."""
    found = await db.get(Freshness, binding.id, populate_existing=True)
    if found is not None:
        return found
    return Freshness(
        binding_id=binding.id,
        handle_proved_at=binding.proved_at,
        customer_proved_at=binding.proved_at,
        needs=None,
        leaf_id=binding.leaf_id,
    )


async def note_proofs(
    db: AsyncSession, binding: Binding, *, handle_at: datetime | None = None, customer_at: datetime
) -> None:
    """New proofs, under the leaf that the binding has just got; a new proof of the handle ends what was asked for."""
    fresh = await freshness_of(db, binding)
    values = {
        "handle_proved_at": handle_at or fresh.handle_proved_at,
        "customer_proved_at": customer_at,
        "needs": None if handle_at is not None else fresh.needs,
        "leaf_id": binding.leaf_id,
    }
    await db.execute(
        upsert(db, Freshness)
        .values(binding_id=binding.id, **values)
        .on_conflict_do_update(index_elements=["binding_id"], set_=values)
    )


async def ask_for_reproof(db: AsyncSession, binding_id: UUID, reason: Reproof, actor: Actor = SYSTEM) -> bool:
    """Note that the binding must be proved anew; returns whether that is news.

    Where the account is gone or suspended its sessions and streams end at once.
    """
    now = services_of(db).clock()
    binding = await db.get(Binding, binding_id, with_for_update=True, populate_existing=True)
    if binding is None or binding.state != BindingState.ACTIVE:
        return False
    fresh = await freshness_of(db, binding)
    if fresh.needs is not None and (fresh.needs == reason or reason not in rules.ENDING_REPROOFS):
        return False
    stream = f"binding:{binding.id}"
    leaf_id = record(db, "binding.reproof_needed", stream=stream, actor=actor, data={"reason": reason.value})
    binding.leaf_id = leaf_id
    values = {"needs": reason.value, "leaf_id": leaf_id}
    await db.execute(
        upsert(db, Freshness)
        .values(
            binding_id=binding.id,
            handle_proved_at=fresh.handle_proved_at,
            customer_proved_at=fresh.customer_proved_at,
            **values,
        )
        .on_conflict_do_update(index_elements=["binding_id"], set_=values)
    )
    if reason in rules.ENDING_REPROOFS:
        room = await lock_room(db, binding.id)
        if room is not None:
            await conversations.vacate(db, room.id, reason="expired", actor=actor)
        await sessions.end_all_of_binding(db, binding.id, now)
    return True


async def note_aged(services: Services) -> int:
    """Bindings whose proofs have become too old get their leaf; returns how many.

    The rule itself looks at the age (`reproof_of`), so nobody gets in while a sweep is late.
    """
    now, lifetimes = services.clock(), services.policy.lifetimes
    handle, customer = now - lifetimes.handle_again, now - lifetimes.customer_again
    async with reading(services) as db:
        rows = await db.execute(
            select(Freshness)
            .join(Binding, Binding.id == Freshness.binding_id)
            .where(Binding.state == BindingState.ACTIVE, Freshness.needs.is_(None))
            .where(or_(Freshness.handle_proved_at <= handle, Freshness.customer_proved_at <= customer))
            .order_by(Freshness.binding_id)
            .limit(GROUP)
        )
        due = list(rows.scalars())
    for fresh in due:
        async with transaction(services) as db:
            why = Reproof.HANDLE_AGE if fresh.handle_proved_at <= handle else Reproof.CUSTOMER_AGE
            await ask_for_reproof(db, fresh.binding_id, why)
    return len(due)
