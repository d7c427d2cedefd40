"""Proving the customer by a passkey: asking, weighing the answer, and the way in for who has proved the handle.

Every refusal has its leaf with the reason and the same words outside, and takes the time of a signature's check, so
that nobody learns from here whether a passkey, a binding or a customer exists. Nothing is counted against anybody: a
signature cannot be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.service import record
from app.binding import attempts, known_customers, pairs, passkey_challenges, rules
from app.binding.brands import brand_of, require_offered
from app.binding.customer_proof import accept_customer
from app.binding.errors import PasskeyNotAccepted
from app.binding.models import Attempt, Binding, Passkey
from app.binding.passkeys import ACTIVE, credential_hash, names_of
from app.binding.ports import BindingPorts
from app.binding.queries import is_live
from app.binding.rules import State
from app.database import services_of, transaction
from app.permissions import Level
from app.services import Services
from security.errors import PasskeyRefused
from security.passkeys import (
    Asserted,
    KnownCredential,
    StoredPasskey,
    check_assertion,
    claim_of,
    decoy,
    request_options,
)


@dataclass(frozen=True, repr=False)
class Weighed:
    """An answer that holds: by which passkey, of which live binding. Nothing has been changed yet."""

    passkey: Passkey
    binding: Binding
    asserted: Asserted
    level: Level


async def begin_customer_passkey(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str
) -> dict[str, Any]:
    """The question for who has proved the handle; it names no passkey. Raises `OutOfStep`, `AttemptOver`."""
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_OK, State.CUSTOMER_PENDING)
        await require_offered(db, attempt, rules.PASSKEY)
        return await ask(db, ports, attempt)


async def finish_customer_passkey(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str, answer: str
) -> None:
    """The answer; the browser goes on to /c/{slug}/confirm. Raises `PasskeyNotAccepted`, `OutOfStep`, `AttemptOver`.

    It must be a passkey of the very handle that was proved: with another handle it names nobody.
    """
    now = services.clock()
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, now, slug=slug)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        weighed = await weigh(db, ports, attempt, answer, now)
        if not isinstance(weighed, str) and weighed.binding.handle_hash != attempt.handle_hash:
            weighed = "other_handle"
        if isinstance(weighed, str):
            refuse(db, attempt, weighed)
        await accept(db, attempt, weighed, now)


async def ask(
    db: AsyncSession, ports: BindingPorts, attempt: Attempt, known: list[KnownCredential] | None = None
) -> dict[str, Any]:
    """Move the attempt and put its question; without `known`, to any passkey of our host."""
    await attempts.move(
        db,
        attempt,
        State.CUSTOMER_PENDING,
        "customer.requested",
        {"method": rules.PASSKEY},
        customer_method=rules.PASSKEY,
        sealed_identifier=None,
    )
    return await question_of(db, ports, attempt, known)


async def question_of(
    db: AsyncSession, ports: BindingPorts, attempt: Attempt, known: list[KnownCredential] | None = None
) -> dict[str, Any]:
    """The question of an attempt as it stands now."""
    challenge = await passkey_challenges.add(db, attempt.session_id, attempt=attempt)
    lifetime = rules.PASSKEY_QUESTION_LIFETIME
    return request_options(ports.party, challenge, known=known or (), lifetime=lifetime)


async def weigh(
    db: AsyncSession, ports: BindingPorts, attempt: Attempt, answer: str, now: datetime, *, named: bool = False
) -> Weighed | str:
    """The answer to the attempt's question, which is used up; a word says what stands against it."""
    question = await passkey_challenges.take(db, attempt.session_id, now, attempt=attempt)
    if question is None:
        return "no_question"
    try:
        claim = claim_of(answer)
    except PasskeyRefused as refused:
        return refused.reason
    found = await _found(db, claim.credential_id)
    stored = decoy(claim) if found is None else await _stored(services_of(db), found[0])
    try:
        asserted = check_assertion(answer, party=ports.party, challenge=question[0], stored=stored, named=named)
    except PasskeyRefused as refused:
        return "unknown_passkey" if found is None else refused.reason
    assert found is not None  # nobody holds the decoy's key
    passkey, binding = found
    if passkey.state != ACTIVE:
        return passkey.state
    if not is_live(binding, now):
        return "binding_over"
    level = await _worth(db, attempt, passkey)
    return Weighed(passkey, binding, asserted, level) if level >= Level.L2 else "switched_off"


async def accept(db: AsyncSession, attempt: Attempt, weighed: Weighed, now: datetime) -> Level:
    """Count the use, and move the attempt to `CUSTOMER_OK`; returns what the passkey is worth."""
    services, passkey, binding = services_of(db), weighed.passkey, weighed.binding
    passkey.sign_count, passkey.backed_up = weighed.asserted.sign_count, weighed.asserted.backed_up
    passkey.last_used_at = now
    stream, actor = f"binding:{binding.id}", attempts.visitor_of(attempt)
    passkey.leaf_id = record(db, "passkey.used", stream=stream, actor=actor, data={"id": str(passkey.id)})
    await accept_customer(
        db,
        attempt,
        customer=await known_customers.of_binding(services, binding),
        hashes=(binding.customer_hash, await pairs.pair_hash(services, binding.handle_hash, binding.customer_hash)),
        method=rules.PASSKEY,
        level=weighed.level,
        acr="",
        now=now,
    )
    return weighed.level


def refuse(db: AsyncSession, attempt: Attempt, reason: str) -> NoReturn:
    """The leaf and the neutral words; the attempt stays where it stands, for another try or another way."""
    attempts.note_refusal(db, attempt, rules.PASSKEY, reason)
    raise PasskeyNotAccepted


async def _found(db: AsyncSession, credential_id: bytes) -> tuple[Passkey, Binding] | None:
    """Passkey and binding, the binding locked first, as everywhere; of two uses the second sees the new count."""
    hashed = await credential_hash(services_of(db), credential_id)
    by_name = select(Passkey).where(Passkey.credential_hash == hashed)
    passkey = (await db.execute(by_name)).scalar_one_or_none()
    if passkey is None:
        return None
    binding = await db.get_one(Binding, passkey.binding_id, with_for_update=True, populate_existing=True)
    await db.refresh(passkey, with_for_update=True)
    return passkey, binding


async def _worth(db: AsyncSession, attempt: Attempt, passkey: Passkey) -> Level:
    """What the passkey gives now; on the way back, behind the handle as it was proved when the binding was made."""
    policy = services_of(db).policy
    if not policy.offers_method(rules.PASSKEY, await brand_of(db, attempt)):
        return Level.L0
    handle_method = attempt.handle_method
    if handle_method is None:
        entry = await attempts.bound_by(db, passkey.binding_id)
        handle_method = entry.handle_method if entry is not None else None
    return rules.level_of_tap(policy, passkey.max_level, handle_method or "")


async def _stored(services: Services, passkey: Passkey) -> StoredPasskey:
    names = await names_of(services, passkey)
    return StoredPasskey(
        names.credential_id, names.user_handle, passkey.public_key, passkey.sign_count, passkey.backup_eligible
    )
