"""Undoing a binding: by "this was not me", by the bank, or by time. Its sessions and streams end at once."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Actor, Customer
from app.audit.service import record
from app.binding import notices
from app.binding.browsers import forget_browsers
from app.binding.models import Binding, NoticeReference
from app.binding.passkeys import revoke_all
from app.binding.queries import authenticators_of, is_frozen
from app.binding.room_entry import lock_room, require_in_room
from app.binding.rules import BindingState
from app.conversations import service as conversations
from app.database import services_of, transaction
from app.services import Services
from app.sessions import service as sessions
from security.errors import EncodingError
from security.tokens import typed_reference

Reason = Literal["not_me", "by_bank", "by_customer", "expired"]
Because = Literal["customer_asked", "suspicion"]
"""Why the bank ends a link: somebody phoned and wished it, or something is wrong."""
FREEZING: Final = ("not_me", "by_bank")
"""Who takes back their own link may make it anew at once; who says that it was not theirs is protected for a day."""


async def not_me(services: Services, *, reference: str) -> None:
    """POST of the reference from a notice: revoke, end every session, freeze for a day. Unknown ones do nothing.

    The answer is the same either way; a second use of the same reference changes nothing more.
    """
    try:
        typed = typed_reference(reference)
    except EncodingError:
        return
    async with transaction(services) as db:
        known = await db.get(NoticeReference, await notices.reference_hash(services, typed))
        if known is not None:
            await revoke(db, known.binding_id, reason="not_me", actor=SYSTEM)
            binding = await db.get_one(Binding, known.binding_id, with_for_update=True, populate_existing=True)
            # What had ended otherwise before its notice was answered is frozen too: an intruder must not undo it first.
            if binding.frozen_until is None:
                await _freeze(db, binding, SYSTEM)
            await _forget_references(db, binding.id)


async def revoke_own(services: Services, customer: Customer) -> None:
    """The customer takes the link back, from inside the room: everything it opened ends. Raises `RoomLocked`."""
    async with transaction(services) as db:
        await require_in_room(db, customer, services.clock())
        await revoke(db, customer.binding_id, reason="by_customer", actor=customer)


async def end_by_bank(db: AsyncSession, binding_id: UUID, *, because: Because, actor: Actor) -> bool:
    """The bank's own word: end and freeze the link, and tell the customer; returns whether it held until now.

    One that had ended already is only frozen; where it is frozen too, nothing changes.
    """
    services = services_of(db)
    binding = await db.get_one(Binding, binding_id, with_for_update=True, populate_existing=True)
    if binding.state == BindingState.ACTIVE:
        await revoke(db, binding_id, reason="by_bank", actor=actor, because=because)
        await _forget_references(db, binding.id)
        await notices.enqueue_ended(db, binding)
        return True
    if not is_frozen(binding, services.clock()):
        await _freeze(db, binding, actor, because)
    return False


async def _freeze(db: AsyncSession, binding: Binding, actor: Actor, because: Because | None = None) -> None:
    """Shut an ended binding's pair for a while; the caller holds its row."""
    services = services_of(db)
    binding.frozen_until = services.clock() + services.policy.lifetimes.freeze
    data = {"until": binding.frozen_until.isoformat()} | _said(because)
    binding.leaf_id = record(db, "binding.frozen", stream=f"binding:{binding.id}", actor=actor, data=data)
    await _revoke_enrolled(db, binding, actor)


async def _forget_references(db: AsyncSession, binding_id: UUID) -> None:
    """All of them told of what is undone now.

    Or whoever has an old notice (a number's former owner) could undo every link that the customer makes from here on.
    """
    await db.execute(delete(NoticeReference).where(NoticeReference.binding_id == binding_id))


def _said(because: Because | None) -> dict[str, str]:
    return {} if because is None else {"because": because}


async def revoke(
    db: AsyncSession, binding_id: UUID, *, reason: Reason, actor: Actor, because: Because | None = None
) -> None:
    """End a binding now, with all that was enrolled in it; only a complaint freezes it as well."""
    services = services_of(db)
    now = services.clock()
    binding = await db.get(Binding, binding_id, with_for_update=True, populate_existing=True)
    if binding is None or binding.state != BindingState.ACTIVE:
        return
    if reason == "expired":
        if binding.expires_at > now:
            return
        binding.state = BindingState.EXPIRED.value
    else:
        binding.state, binding.revoked_at = BindingState.REVOKED.value, now
        binding.frozen_until = now + services.policy.lifetimes.freeze if reason in FREEZING else None
    data = {"reason": reason} | _said(because)
    binding.leaf_id = record(db, "binding.revoked", stream=f"binding:{binding.id}", actor=actor, data=data)
    if reason != "expired":
        await _revoke_enrolled(db, binding, actor)
    await _empty_room(db, binding, "expired" if reason == "expired" else "revoked", actor, now)


async def _revoke_enrolled(db: AsyncSession, binding: Binding, actor: Actor) -> None:
    """Whoever was in may have enrolled something; it must not open the binding that its owner makes anew."""
    for one in await authenticators_of(db, binding.id, lock=True):
        one.state = "revoked"
        one.leaf_id = record(
            db, "authenticator.revoked", stream=f"binding:{binding.id}", actor=actor, data={"id": str(one.id)}
        )
    await revoke_all(db, binding, actor)
    await forget_browsers(db, binding.id)


async def _empty_room(
    db: AsyncSession, binding: Binding, reason: Literal["expired", "revoked"], actor: Actor, now: datetime
) -> None:
    room = await lock_room(db, binding.id)
    if room is not None:
        await conversations.vacate(db, room.id, reason=reason, actor=actor)
    await sessions.end_all_of_binding(db, binding.id, now)
