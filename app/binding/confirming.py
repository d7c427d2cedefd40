"""The confirmation: handle and customer become a binding, and its room opens, in one transaction.

The page shows only the handle and what the visitor typed. A room belongs to one binding: another customer's proof with
the same handle is another pair, with a new and empty room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.audit.service import record
from app.binding import attempts, freezing, known_customers, notices, reproof, rules
from app.binding.browsers import note_browser
from app.binding.errors import NoticeNotAccepted, OutOfStep
from app.binding.models import Attempt, Binding, Challenge
from app.binding.queries import binding_of_pair, is_frozen, is_live
from app.binding.room_entry import lock_room
from app.binding.rules import BindingState, State
from app.conversations import service as conversations
from app.database import reading, services_of, transaction
from app.errors import Conflict
from app.ids import new_id
from app.permissions import Level
from app.services import Services
from app.sessions import service as sessions
from security.keys import DataKey


@dataclass(frozen=True)
class Bound:
    """The customer is in the room, under a new session token for the visitor's cookie."""

    binding_id: UUID
    conversation_id: UUID
    session_id: UUID
    level: Level
    session_token: str = field(repr=False)


async def confirm(services: Services, *, session_id: UUID, slug: str, accepted: bool, browser: str = "") -> Bound:
    """Link what the page showed. Raises `NoticeNotAccepted`, `OutOfStep`, `AttemptOver`, `NotFinishedHere`.

    `browser` is the browser's own cookie: its owner is told of one that the binding was never used from.
    The room's data key is committed to the key store first; one that is not needed after all is swept as an orphan.
    """
    if not accepted:
        raise NoticeNotAccepted
    now = services.clock()
    async with reading(services) as db:
        attempt = await attempts.of_session(db, session_id, now, slug=slug)
        attempts.require_state(attempt, State.CUSTOMER_OK)
        known = await binding_of_pair(db, attempt.handle_hash, attempt.customer_hash)
        room = await conversations.room_of_binding(db, known.id) if known is not None else None
    key = await services.vault.create_key("room") if room is None else None
    async with transaction(services) as db:
        await _lock_pair(db, attempt)
        attempt = await attempts.of_session(db, session_id, now, slug=slug)
        attempts.require_state(attempt, State.CUSTOMER_OK)
        method = attempt.customer_method or ""
        bound = await _bind(db, attempt, key, now)
        binding = await db.get_one(Binding, bound.binding_id)
        kind = "new_browser" if await note_browser(db, binding.id, browser) else "linked"
        await notices.enqueue_notice(db, binding, kind=kind, proved_by=method)
        return bound


async def _lock_pair(db: AsyncSession, attempt: Attempt) -> None:
    """Hold every open attempt of this pair, in one order: of two confirmations the second finds itself cancelled."""
    await db.execute(
        select(Attempt.id)
        .where(_of_pair(attempt), Attempt.state.in_(rules.OPEN_STATES))
        .order_by(Attempt.id)
        .with_for_update()
    )


async def _bind(db: AsyncSession, attempt: Attempt, key: DataKey | None, now: datetime) -> Bound:
    customer = attempt.customer_hash or b""
    await freezing.lock_customer(db, customer)
    # Held: who undoes the link in this very moment is waited for, and wins.
    binding = await binding_of_pair(db, attempt.handle_hash, customer, lock=True)
    objection = _objection(attempt, binding, now)
    if objection is None and await freezing.is_shut(db, customer, now):
        objection = "customer_frozen"
    if objection is not None:
        await attempts.refuse(db, attempt, "confirm", objection)
    level = Level(attempt.level)
    binding = await _create_or_renew(db, attempt, binding, now)
    await attempts.move(
        db, attempt, State.BOUND, "notice.accepted", {"version": rules.NOTICE_VERSION}, binding_id=binding.id
    )
    await _cancel_others(db, attempt)
    room = await lock_room(db, binding.id)
    conversation_id = room.id if room is not None else new_id(now)
    started = await sessions.raise_to_binding(
        db, attempt.session_id, binding_id=binding.id, conversation_id=conversation_id, level=level, now=now
    )
    session_id = started.session.id
    actor = Customer(binding.id, conversation_id, session_id, int(level), now)
    if attempt.case_id is None:
        raise OutOfStep
    if room is None:
        if key is None:
            raise Conflict
        await conversations.open_room(
            db,
            conversation_id=conversation_id,
            binding_id=binding.id,
            case_id=attempt.case_id,
            key=key,
            actor=actor,
        )
    await conversations.enter(
        db, conversation_id, session_id=session_id, level=level, case_id=attempt.case_id, actor=actor
    )
    return Bound(binding.id, conversation_id, session_id, level, started.token)


def _objection(attempt: Attempt, binding: Binding | None, now: datetime) -> str | None:
    """What the pair's own row says against it, if there is one."""
    if binding is not None and is_frozen(binding, now):
        return "frozen"
    if attempt.customer_method in rules.ENROLLED and (binding is None or not is_live(binding, now)):
        # It belongs to its binding, so it cannot bring one back that has ended since.
        return "binding_over"
    if binding is None or binding.revoked_at is None:
        return None
    # What was proved before the link was undone was undone with it.
    proved_at = attempt.customer_proved_at
    return "undone_since" if proved_at is None or proved_at < binding.revoked_at else None


async def _create_or_renew(db: AsyncSession, attempt: Attempt, known: Binding | None, now: datetime) -> Binding:
    services = services_of(db)
    subject = await attempts.proved_subject(db, attempt)
    customer = await known_customers.of_attempt(db, attempt)
    assert attempt.handle_hash is not None
    assert attempt.customer_hash is not None
    binding_id = known.id if known is not None else new_id(now)
    until = now + services.policy.lifetimes.binding
    if known is not None and attempt.customer_method in rules.ENROLLED:
        # The bank itself says anew who this is every 180 days; what was enrolled in the room only says that it is
        # still the same person.
        until = known.expires_at
    leaf_id = record(
        db,
        "binding.created" if known is None else "binding.renewed",
        stream=f"binding:{binding_id}",
        actor=attempts.visitor_of(attempt),
        data={
            "level": attempt.level,
            "attempt": str(attempt.id),
            "handle_method": attempt.handle_method or "",
            "customer_method": attempt.customer_method or "",
            "until": until.isoformat(),
        },
    )
    binding = known or Binding(
        id=binding_id,
        network=subject.network,
        scope=subject.scope,
        handle_hash=attempt.handle_hash,
        customer_hash=attempt.customer_hash,
        created_at=now,
    )
    binding.sealed_subject = await known_customers.subject_for_binding(services, binding_id, subject)
    binding.sealed_customer = await known_customers.sealed_for_binding(services, binding_id, customer)
    binding.level, binding.state, binding.leaf_id = attempt.level, BindingState.ACTIVE.value, leaf_id
    binding.proved_at, binding.expires_at = now, until
    binding.revoked_at = binding.frozen_until = None
    if known is None:
        db.add(binding)
    await db.flush()
    await reproof.note_proofs(
        db, binding, handle_at=attempt.handle_proved_at or now, customer_at=attempt.customer_proved_at or now
    )
    return binding


async def _cancel_others(db: AsyncSession, attempt: Attempt) -> None:
    others = await db.execute(
        select(Attempt)
        .where(_of_pair(attempt), Attempt.state.in_(rules.OPEN_STATES), Attempt.id != attempt.id)
        .order_by(Attempt.id)
        .execution_options(populate_existing=True)
    )
    for other in others.scalars():
        await attempts.move(db, other, State.CANCELLED, "attempt.cancelled", {"reason": "bound_elsewhere"})


def _of_pair(attempt: Attempt) -> ColumnElement[bool]:
    """Attempts that have proved this pair, or wait for a code of it."""
    pending = select(Challenge.attempt_id).where(Challenge.pair_hash == attempt.pair_hash)
    return or_(Attempt.pair_hash == attempt.pair_hash, Attempt.id.in_(pending))
