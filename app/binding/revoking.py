"""Undoing a binding: by "this was not me", by the bank, or by time. Its sessions and streams end at once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Actor
from app.audit.service import record
from app.binding import rules
from app.binding.models import Binding, NoticeReference
from app.binding.notices import reference_hash
from app.binding.passkeys import revoke_all
from app.binding.queries import authenticators_of
from app.binding.room_entry import lock_room
from app.binding.rules import BindingState
from app.conversations import service as conversations
from app.database import services_of, transaction
from app.services import Services
from app.sessions import service as sessions
from security.errors import EncodingError
from security.tokens import typed_reference

Reason = Literal["not_me", "by_bank", "expired"]


async def not_me(services: Services, *, reference: str) -> None:
    """POST of the reference from a notice: revoke, end every session, freeze for a day. Unknown ones do nothing.

    The answer is the same either way; a second use of the same reference changes nothing more.
    """
    try:
        typed = typed_reference(reference)
    except EncodingError:
        return
    async with transaction(services) as db:
        known = await db.get(NoticeReference, await reference_hash(services, typed))
        if known is not None:
            await revoke(db, known.binding_id, reason="not_me", actor=SYSTEM)


async def revoke(db: AsyncSession, binding_id: UUID, *, reason: Reason, actor: Actor) -> None:
    """End a binding now; only `expired` leaves no freeze, since nobody has complained."""
    now = services_of(db).clock()
    binding = await db.get(Binding, binding_id, with_for_update=True, populate_existing=True)
    if binding is None or binding.state != BindingState.ACTIVE:
        return
    if reason == "expired":
        if binding.expires_at > now:
            return
        binding.state = BindingState.EXPIRED.value
    else:
        binding.state, binding.revoked_at, binding.frozen_until = BindingState.REVOKED.value, now, now + rules.FREEZE
    binding.leaf_id = record(
        db, "binding.revoked", stream=f"binding:{binding.id}", actor=actor, data={"reason": reason}
    )
    if reason != "expired":
        await _revoke_authenticators(db, binding, actor)
        await revoke_all(db, binding, actor)
    await _empty_room(db, binding, "expired" if reason == "expired" else "revoked", actor, now)


async def _revoke_authenticators(db: AsyncSession, binding: Binding, actor: Actor) -> None:
    """Whoever was in may have enrolled one; it must not open the binding that its owner makes anew."""
    for one in await authenticators_of(db, binding.id, lock=True):
        one.state = "revoked"
        one.leaf_id = record(
            db, "authenticator.revoked", stream=f"binding:{binding.id}", actor=actor, data={"id": str(one.id)}
        )


async def _empty_room(
    db: AsyncSession, binding: Binding, reason: Literal["expired", "revoked"], actor: Actor, now: datetime
) -> None:
    room = await lock_room(db, binding.id)
    if room is not None:
        await conversations.vacate(db, room.id, reason=reason, actor=actor)
    await sessions.end_all_of_binding(db, binding.id, now)
