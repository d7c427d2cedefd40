"""Proving the customer by redirect to an identity provider: on the way in, to step up, or to unlock.

The redirect is stored and committed before the provider is asked to take it, and consumed and committed before the
code is exchanged: no provider is ever waited for inside a transaction. The result counts only in the browser, the
attempt and the nonce that it was asked for. A step-up or unlock must name the bound customer; on the way in another
customer is another pair.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, flows, pairs, rules
from app.binding.brands import require_offered
from app.binding.customer_proof import accept_customer
from app.binding.errors import NotFinishedHere, OutOfStep, SignInUnreachable
from app.binding.flows import Leaving
from app.binding.identity_provider import IdentityAnswer, IdentityRefused, IdentityWish, OfferedProvider
from app.binding.models import Attempt, Binding
from app.binding.ports import BindingPorts
from app.binding.raising import raise_session, reopen_room
from app.binding.rules import IDENTITY, Kind, State
from app.database import services_of, transaction
from app.directory.port import CustomerRecord, DirectoryUnavailable
from app.outbound import OutboundError
from app.permissions import Level
from app.policy import Method
from app.services import Services

LONGEST_DEPARTURE: Final = 8.0  # seconds, however many requests it takes
LONGEST_RETURN: Final = 15.0
UNREACHABLE: Final = "unreachable"


@dataclass(frozen=True)
class IdentityFinished:
    """Where the browser goes on: `entry` to /c/{slug}/confirm, else to /room with the new `session_token`."""

    kind: Kind
    slug: str
    level: Level
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Identified:
    """Whom the provider named and the directory knows, and how strongly."""

    customer: CustomerRecord
    acr: str


@dataclass(frozen=True)
class Departing:
    """A redirect that is stored, and not yet begun at its provider."""

    attempt_id: UUID
    offered: OfferedProvider
    wish: IdentityWish


async def begin_identity(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str, provider: str
) -> Leaving:
    """Leave for an identity provider on the way in.

    Raises `OutOfStep`, `AttemptOver`, `MethodNotOffered`, and `SignInUnreachable` in the same words for everybody.
    """
    offered = ports.provider(provider)
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_OK, State.CUSTOMER_PENDING)
        departing = await store_departure(db, ports, attempt, offered)
    return await depart(services, departing)


async def store_departure(
    db: AsyncSession, ports: BindingPorts, attempt: Attempt, offered: OfferedProvider
) -> Departing:
    """Move the attempt and make its flow; the provider hears of it after the commit, by `depart`.

    Raises `MethodNotOffered` where the policy has no identity providers for the attempt's brand.
    """
    await require_offered(db, attempt, Method.IDENTITY)
    method = rules.method_of_identity(offered.name)
    await attempts.move(
        db,
        attempt,
        State.CUSTOMER_PENDING,
        "customer.requested",
        {"method": method},
        customer_method=method,
        sealed_identifier=None,
    )
    redirect_uri, secrets, memo = ports.identity_return(offered.name), flows.new_secrets(), offered.port.prepare()
    await flows.store(db, attempt, secrets, kind=IDENTITY, provider=offered.name, redirect_uri=redirect_uri, memo=memo)
    wish = IdentityWish(
        state=secrets.state,
        nonce=secrets.nonce,
        redirect_uri=redirect_uri,
        code_challenge=secrets.code_challenge,
        purpose=attempt.kind,
        level=Level(attempt.level),
        now=services_of(db).clock(),
        memo=memo,
    )
    return Departing(attempt.id, offered, wish)


async def depart(services: Services, departing: Departing) -> Leaving:
    """Tell the provider, and give the address to leave for; raises `SignInUnreachable`, with a leaf that says why."""
    offered, reason = departing.offered, UNREACHABLE
    try:
        async with asyncio.timeout(LONGEST_DEPARTURE):
            url = await offered.port.begin(departing.wish)
        return Leaving(url, offered.label, offered.is_stub)
    except IdentityRefused as refused:
        reason = refused.reason
    except (OutboundError, TimeoutError):
        pass
    async with transaction(services) as db:
        attempts.note_refusal(db, await db.get_one(Attempt, departing.attempt_id), IDENTITY, reason)
    raise SignInUnreachable


async def finish_identity(
    services: Services,
    ports: BindingPorts,
    *,
    provider: str,
    session_id: UUID | None,
    state: str,
    code: str | None,
    issuer: str | None = None,
) -> IdentityFinished:
    """The callback of an identity provider; `code` is None when it came back with an error, `issuer` its `iss`.

    Raises `NotFinishedHere` in the same words for every refusal, `SignInUnreachable`, `AttemptOver`.
    """
    offered = ports.provider(provider)
    taken = await flows.take(services, kind=IDENTITY, provider=provider, session_id=session_id, state=state)
    asked = IdentityAnswer(
        code=code or "",
        code_verifier=taken.verifier,
        redirect_uri=taken.redirect_uri,
        nonce=taken.nonce,
        issuer=issuer,
        begun_at=taken.begun_at,
        now=services.clock(),
        memo=taken.memo,
        posted=taken.posted,
    )
    answer = await _ask_provider(ports, offered, asked) if code else "denied_there"
    now = services.clock()
    async with transaction(services) as db:
        attempt = await flows.attempt_of(db, taken, now)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        if isinstance(answer, str):
            attempts.note_refusal(db, attempt, IDENTITY, answer)
            raise SignInUnreachable if answer == UNREACHABLE else NotFinishedHere
        return await _accept(db, attempt, offered, answer, now)


async def _ask_provider(ports: BindingPorts, offered: OfferedProvider, asked: IdentityAnswer) -> _Identified | str:
    """Exchange the code and look the named customer up; a word says what stands against it.

    Only who has proved something comes to the look-up, so its time tells nobody anything.
    """
    try:
        async with asyncio.timeout(LONGEST_RETURN):
            result = await offered.port.finish(asked)
            if result.nonce != asked.nonce:
                return "wrong_nonce"
            if result.provider != offered.name:
                return "other_provider"
            customer = await ports.directory.find(result.identifier, result.kind)
    except IdentityRefused as refused:
        return refused.reason
    except (OutboundError, DirectoryUnavailable, TimeoutError):
        return UNREACHABLE
    return _Identified(customer, result.acr) if customer is not None else "unknown_customer"


async def _accept(
    db: AsyncSession, attempt: Attempt, offered: OfferedProvider, identified: _Identified, now: datetime
) -> IdentityFinished:
    services, customer, acr = services_of(db), identified.customer, identified.acr
    if attempt.handle_hash is None:
        raise OutOfStep
    customer_hash = await pairs.customer_hash(services, customer.customer_number)
    level = rules.level_of_identity(services.policy, acr, offered.relay_resistant, attempt.handle_method or "")
    binding = await db.get(Binding, attempt.binding_id) if attempt.binding_id else None
    if binding is not None:
        if customer_hash != binding.customer_hash:
            await attempts.refuse(db, attempt, attempt.kind, "other_customer")
        if attempt.kind == Kind.STEP_UP and level <= attempt.level:
            await attempts.refuse(db, attempt, attempt.kind, "no_higher_level")
    if level < Level.L2:
        await attempts.refuse(db, attempt, attempt.kind, "level_too_low")
    pair_hash = await pairs.pair_hash(services, attempt.handle_hash, customer_hash)
    await pairs.open_again(db, pair_hash, now)
    await accept_customer(
        db,
        attempt,
        customer=customer,
        hashes=(customer_hash, pair_hash),
        method=rules.method_of_identity(offered.name),
        level=level,
        acr=acr,
        now=now,
    )
    if attempt.kind == Kind.STEP_UP:
        token = await raise_session(db, attempt, level, now)
    elif attempt.kind == Kind.UNLOCK:
        token = await reopen_room(db, attempt, level, now)
    else:
        return IdentityFinished(Kind.ENTRY, attempt.slug, level)
    return IdentityFinished(Kind(attempt.kind), "", level, token)
