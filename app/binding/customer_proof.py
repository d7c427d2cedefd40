"""Proving to be a customer by a typed code: SMS or e-mail to what is on file, or an authenticator of this very pair.

The request stores what was typed, sealed, and nothing else: the worker looks the customer up and decides. An unknown
identifier walks the same path to the same answers and is never right.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.service import record
from app.binding import attempts, challenges, guess_budgets, known_customers, pairs, rules
from app.binding.authenticator import try_in_vain, use_authenticator
from app.binding.brands import require_offered
from app.binding.code_delivery import CUSTOMER_CODE
from app.binding.errors import AccountNeeded, CodeWrong, MethodNotOffered, NotReady, OutOfStep
from app.binding.guess_budgets import Guess
from app.binding.models import Attempt, Binding, Challenge
from app.binding.pairs import GuessKeys
from app.binding.ports import BindingPorts
from app.binding.queries import live_binding_of_pair
from app.binding.rules import CodeMethod, State
from app.database import services_of, transaction
from app.notifications.service import CODES_FIRST, enqueue
from app.permissions import Level
from app.services import Services

PURPOSE = "customer"
LONGEST_IDENTIFIER = 200


async def request_customer_code(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str, method: str, identifier: str, network: str
) -> None:
    """Choose `sms`, `email` or `totp` and type customer number, phone or e-mail; the code's page comes next.

    Raises `OutOfStep`, `AttemptOver`, `MethodNotOffered`, `AccountNeeded`, `EnoughCodes`, `CodeTooSoon`,
    `limits.errors.Locked`.
    """
    if method not in ports.code_methods(services.policy):
        raise MethodNotOffered
    typed = identifier.strip()[:LONGEST_IDENTIFIER]
    if not typed:
        raise AccountNeeded
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_OK, State.CUSTOMER_PENDING)
        await ask(db, attempt, method=CodeMethod(method), identifier=typed, network=network)


async def resend_customer_code(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str, network: str
) -> None:
    """The same choice once more; the new code puts the old one out of use."""
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        typed = await attempts.opened(db, attempt, "sealed_identifier")
        method = attempt.customer_method
        if typed is None or method not in ports.code_methods(services.policy):
            raise OutOfStep
        await ask(db, attempt, method=CodeMethod(method), identifier=str(typed), network=network)


async def ask(
    db: AsyncSession, attempt: Attempt, *, method: CodeMethod, identifier: str, network: str, shown: bytes | None = None
) -> None:
    """Store the question and leave the rest to the worker.

    `shown` is the counter that tells of a lock; without it, that of the pair as it was typed.
    """
    services = services_of(db)
    if attempt.handle_hash is None:
        raise OutOfStep
    await require_offered(db, attempt, method)
    typed_hash = shown or await pairs.typed_hash(services, attempt.handle_hash, identifier)
    await pairs.require_not_locked(db, typed_hash, services.clock())
    if method != CodeMethod.TOTP:
        there = and_(Challenge.channel == method.value, Challenge.typed_hash == typed_hash)
        await challenges.require_another(db, attempt, purpose=PURPOSE, same_place=there)
    await attempts.move(
        db,
        attempt,
        State.CUSTOMER_PENDING,
        "customer.requested",
        {"method": method.value},
        customer_method=method.value,
        sealed_identifier=await attempts.sealed(db, attempt, "sealed_identifier", identifier),
    )
    challenge, code = await challenges.add(
        db,
        attempt,
        purpose=PURPOSE,
        channel=method.value,
        lifetime=services.policy.lifetimes.customer_code,
        typed_hash=typed_hash,
    )
    await enqueue(
        db,
        CUSTOMER_CODE,
        {"challenge": str(challenge.id), "code": code, "identifier": identifier, "network": network},
        key=await attempts.sealing_key(db, attempt),
        priority=CODES_FIRST,
        expires_at=challenge.expires_at,
    )


async def check_customer_code(services: Services, *, session_id: UUID, slug: str, code: str, network: str) -> None:
    """The typed code; the browser goes on to /c/{slug}/confirm. `network` is `network_of` the visitor's address.

    Raises `CodeWrong`, `limits.errors.Locked` after five wrong ones in a row, `NotReady` before the worker has looked.
    """
    now = services.clock()
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, now, slug=slug)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        await check(db, attempt, code, network, now)


async def check(db: AsyncSession, attempt: Attempt, code: str, network: str, now: datetime) -> Level:
    """Count, check, and move the attempt to `CUSTOMER_OK`; returns the level of what was proved."""
    challenge = await attempts.current_challenge(db, attempt, PURPOSE)
    if challenge is None or challenge.typed_hash is None:
        raise CodeWrong
    await pairs.require_not_locked(db, challenge.typed_hash, now)
    if challenge.pair_hash is None or challenge.customer_hash is None or attempt.handle_hash is None:
        raise NotReady
    live = await challenges.count_try(db, challenge, now)
    keys = GuessKeys(challenge.typed_hash, challenge.pair_hash, challenge.customer_hash)
    binding = await live_binding_of_pair(db, attempt.handle_hash, keys.customer, now)
    guess = Guess(attempt.handle_hash, keys.customer, network, bound=binding is not None)
    taken = await guess_budgets.take(db, guess, now)
    may_be_right = taken and await pairs.is_closed(db, keys.pair, now) is None
    try:
        level = await _weigh(db, attempt, live, binding, code, may_be_right=may_be_right)
    except CodeWrong as wrong:
        challenges.record_refusal(db, attempt, live)
        state = await pairs.count_wrong(db, keys, now)
        if state.is_locked(now):
            minutes = pairs.minutes_locked(state, now)
            record(
                db,
                "pair.locked",
                stream=attempts.stream_of(attempt),
                actor=attempts.visitor_of(attempt),
                data={"minutes": minutes},
            )
        raise pairs.refusal(state, now, wrong) from None
    await challenges.use(db, live, now)
    await pairs.forgive(db, keys, now)
    await guess_budgets.give_back(db, guess, now)
    await accept_customer(
        db,
        attempt,
        customer=await known_customers.of_challenge(db, live),
        hashes=(keys.customer, keys.pair),
        method=live.channel,
        level=level,
        acr="",
        now=now,
    )
    return level


async def _weigh(
    db: AsyncSession, attempt: Attempt, challenge: Challenge, binding: Binding | None, code: str, *, may_be_right: bool
) -> Level:
    """The level of a right code; raises `CodeWrong`, also for a right one where none may be, after the same work."""
    services = services_of(db)
    now = services.clock()
    if challenge.channel == CodeMethod.TOTP:
        if binding is None or not may_be_right:
            await try_in_vain(db, attempt.id, code, now)
            raise CodeWrong
        return await use_authenticator(db, binding, code, attempts.visitor_of(attempt), now)
    await challenges.check(db, challenge, code)
    if not may_be_right:
        raise CodeWrong
    return rules.level_of_code(services.policy, challenge.channel)


async def accept_customer(
    db: AsyncSession,
    attempt: Attempt,
    *,
    customer: known_customers.CustomerRecord,
    hashes: tuple[bytes, bytes],
    method: str,
    level: Level,
    acr: str,
    now: datetime,
) -> None:
    """Move to `CUSTOMER_OK`; `hashes` are the customer's and the pair's."""
    leaf_id = await attempts.move(
        db,
        attempt,
        State.CUSTOMER_OK,
        "customer.proved",
        {"method": method, "level": int(level), "acr": acr},
        customer_hash=hashes[0],
        pair_hash=hashes[1],
        sealed_customer=await attempts.sealed(db, attempt, "sealed_customer", known_customers.document(customer)),
        customer_method=method,
        customer_proved_at=now,
        level=int(level),
    )
    attempts.add_proof(db, attempt, leaf_id, of="customer", method=method, level=level)
