"""Proving the customer by redirect to an identity provider: on the way in, to step up, or to unlock.

The result counts only in the browser, the attempt and the nonce that it was asked for. A step-up or unlock must name
the bound customer; on the way in another customer is another pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, flows, pairs, rules
from app.binding.customer_proof import accept_customer
from app.binding.errors import NotFinishedHere, OutOfStep, SignInUnreachable
from app.binding.flows import Leaving, TakenFlow
from app.binding.identity_provider import IdentityRefused, OfferedProvider
from app.binding.models import Attempt, Binding
from app.binding.ports import BindingPorts
from app.binding.raising import raise_session, reopen_room
from app.binding.rules import IDENTITY, Kind, State
from app.database import services_of, transaction
from app.directory.port import CustomerRecord, DirectoryUnavailable
from app.outbound import OutboundError
from app.permissions import Level
from app.services import Services


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


async def begin_identity(
    services: Services, ports: BindingPorts, *, session_id: UUID, slug: str, provider: str
) -> Leaving:
    """Leave for an identity provider on the way in; raises `OutOfStep`, `AttemptOver`, `MethodNotOffered`."""
    offered = ports.provider(provider)
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_OK, State.CUSTOMER_PENDING)
        return await leave(db, ports, attempt, offered)


async def leave(db: AsyncSession, ports: BindingPorts, attempt: Attempt, offered: OfferedProvider) -> Leaving:
    """Move the attempt and make its flow."""
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
    redirect_uri = ports.identity_return(offered.name)
    secrets = await flows.begin(db, attempt, kind=IDENTITY, provider=offered.name, redirect_uri=redirect_uri)
    url = offered.port.begin(
        state=secrets.state,
        nonce=secrets.nonce,
        redirect_uri=redirect_uri,
        code_challenge=secrets.code_challenge,
        purpose=attempt.kind,
    )
    return Leaving(url, offered.label, offered.is_stub)


async def finish_identity(
    services: Services,
    ports: BindingPorts,
    *,
    provider: str,
    session_id: UUID | None,
    state: str,
    code: str | None,
) -> IdentityFinished:
    """The callback of an identity provider; `code` is None when it came back with an error.

    Raises `NotFinishedHere` in the same words for every refusal, `SignInUnreachable`, `AttemptOver`.
    """
    offered = ports.provider(provider)
    taken = await flows.take(services, kind=IDENTITY, provider=provider, session_id=session_id, state=state)
    answer = await _ask_provider(ports, offered, taken, code)
    now = services.clock()
    async with transaction(services) as db:
        attempt = await flows.attempt_of(db, taken, now)
        attempts.require_state(attempt, State.CUSTOMER_PENDING)
        if isinstance(answer, str):
            attempts.note_refusal(db, attempt, IDENTITY, answer)
            raise SignInUnreachable if answer == "unreachable" else NotFinishedHere
        return await _accept(db, attempt, offered, answer, now)


async def _ask_provider(
    ports: BindingPorts, offered: OfferedProvider, taken: TakenFlow, code: str | None
) -> _Identified | str:
    """Exchange the code and look the named customer up; a word says what stands against it.

    Only who has proved something comes to the look-up, so its time tells nobody anything.
    """
    if code is None:
        return "denied_there"
    try:
        result = await offered.port.finish(code=code, code_verifier=taken.verifier, redirect_uri=taken.redirect_uri)
        if result.nonce != taken.nonce:
            return "wrong_nonce"
        if result.provider != offered.name:
            return "other_provider"
        customer = await ports.directory.find(result.customer_number)
    except IdentityRefused:
        return "proved_nothing"
    except (OutboundError, DirectoryUnavailable):
        return "unreachable"
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
    await accept_customer(
        db,
        attempt,
        customer=customer,
        hashes=(customer_hash, await pairs.pair_hash(services, attempt.handle_hash, customer_hash)),
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
