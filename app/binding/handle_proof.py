"""Proving the handle: sign-in at the network, or a code by direct message to the account that complained.

Before the verdict of a sign-in, every answer is the same whether or not the case exists or the account is the one
addressed. The worker alone decides whether a code goes out (`code_delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, challenges, flows, rules
from app.binding.code_delivery import HANDLE_CODE
from app.binding.errors import (
    AccountNeeded,
    CodeWrong,
    EnoughCodes,
    MethodNotOffered,
    NotFinishedHere,
    SignInUnreachable,
)
from app.binding.flows import Leaving, TakenFlow
from app.binding.models import Attempt, Challenge
from app.binding.ports import BindingPorts
from app.binding.rules import HandleMethod, State
from app.cases import queries as cases
from app.cases.arriving import handle_hash
from app.cases.models import Case
from app.channels.ports import ChannelRefused, ChannelUnavailable, Connector, SignInFailed, Subject
from app.database import services_of, transaction
from app.notifications.service import CODES_FIRST, enqueue
from app.permissions import Level
from app.services import Services

PURPOSE = "handle"
LONGEST_ACCOUNT = 200


@dataclass(frozen=True)
class CodeRequested:
    """The page that takes the code comes next, whether or not one will be sent."""


@dataclass(frozen=True)
class SignedIn:
    """The handle is proved; the browser goes on to /c/{slug}/customer."""

    slug: str


async def request_handle(
    services: Services,
    ports: BindingPorts,
    *,
    session_id: UUID,
    slug: str,
    connector: str,
    account: str,
    method: str,
    network: str,
    language: str,
) -> Leaving | CodeRequested:
    """Name network and account and choose how to prove them; again for another choice or another code.

    `network` is `rules.network_of` the visitor's address, `language` that of the visitor's pages. Raises `OutOfStep`,
    `AttemptOver`, `MethodNotOffered`, `AccountNeeded`, `EnoughCodes`.
    """
    chosen = ports.connector(connector)
    if method not in ports.handle_methods(chosen):
        raise MethodNotOffered
    named = account.strip()[:LONGEST_ACCOUNT]
    if not named:
        raise AccountNeeded
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.STARTED, State.HANDLE_PENDING)
        document = {"account": named, "network": network, "language": language}
        await _name(db, attempt, chosen, method, document)
        if method == HandleMethod.SIGN_IN:
            return await _leave(db, ports, attempt, chosen)
        return await _ask_for_code(db, attempt, document)


async def resend(services: Services, ports: BindingPorts, *, session_id: UUID, slug: str) -> Leaving | CodeRequested:
    """The same choice once more: a new redirect, or a new code that puts the old one out of use."""
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_PENDING)
        chosen = ports.connector(attempt.connector or "")
        document = await attempts.opened(db, attempt, "sealed_named")
        method = attempt.handle_method or ""
        await _name(db, attempt, chosen, method, document)
        if method == HandleMethod.SIGN_IN:
            return await _leave(db, ports, attempt, chosen)
        return await _ask_for_code(db, attempt, document)


async def _name(
    db: AsyncSession, attempt: Attempt, connector: Connector, method: str, document: dict[str, str]
) -> None:
    await attempts.move(
        db,
        attempt,
        State.HANDLE_PENDING,
        "handle.requested",
        {"method": method},
        connector=connector.name,
        handle_method=method,
        sealed_named=await attempts.sealed(db, attempt, "sealed_named", document),
    )


async def _leave(db: AsyncSession, ports: BindingPorts, attempt: Attempt, connector: Connector) -> Leaving:
    if connector.sign_in is None:
        raise MethodNotOffered
    redirect_uri = ports.sign_in_return(connector.name)
    secrets = await flows.begin(db, attempt, kind=PURPOSE, provider=connector.name, redirect_uri=redirect_uri)
    url = connector.sign_in.begin(secrets.state, redirect_uri, secrets.code_challenge)
    return Leaving(url, connector.label)


async def _ask_for_code(db: AsyncSession, attempt: Attempt, document: dict[str, str]) -> CodeRequested:
    """Challenge and work are made for everybody, so that the request costs the same time for everybody."""
    asked = select(func.count()).where(Challenge.attempt_id == attempt.id, Challenge.purpose == PURPOSE)
    if (await db.execute(asked)).scalar_one() >= rules.CODES_PER_ATTEMPT:
        raise EnoughCodes
    challenge, code = await challenges.add(
        db, attempt, purpose=PURPOSE, channel=HandleMethod.DIRECT_MESSAGE, lifetime=rules.HANDLE_CODE_LIFETIME
    )
    await enqueue(
        db,
        HANDLE_CODE,
        {
            "challenge": str(challenge.id),
            "code": code,
            "network": document["network"],
            "language": document["language"],
        },
        key=await attempts.sealing_key(db, attempt),
        priority=CODES_FIRST,
        expires_at=challenge.expires_at,
    )
    return CodeRequested()


async def check_handle_code(services: Services, *, session_id: UUID, slug: str, code: str) -> None:
    """The code of the direct message. Raises `CodeWrong` for any reason that a code may have not to count."""
    now = services.clock()
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, now, slug=slug)
        attempts.require_state(attempt, State.HANDLE_PENDING)
        challenge = await attempts.current_challenge(db, attempt, PURPOSE)
        if challenge is None:
            raise CodeWrong
        live = await challenges.count_try(db, challenge, now)
        case = await db.get(Case, attempt.case_id) if attempt.case_id else None
        try:
            await challenges.check(db, live, code)
        except CodeWrong:
            challenges.record_refusal(db, attempt, live)
            raise
        if case is None:
            raise CodeWrong
        await challenges.use(db, live, now)
        await _accept(db, attempt, await cases.author_of(db, case), HandleMethod.DIRECT_MESSAGE, now)


async def finish_sign_in(
    services: Services,
    ports: BindingPorts,
    *,
    connector: str,
    session_id: UUID | None,
    state: str,
    code: str | None,
    issuer: str | None,
) -> SignedIn:
    """The callback of a network's sign-in; `code` is None when it came back with an error, `issuer` its `iss`.

    Consume and commit, ask the network, record in a second transaction. Raises `NotFinishedHere` with the same words
    for a foreign browser, a replay, another account and a link that is not ours; `SignInUnreachable`.
    """
    chosen = ports.connector(connector)
    taken = await flows.take(services, kind=PURPOSE, provider=connector, session_id=session_id, state=state)
    objection, subject = await _ask_network(chosen, taken, code, issuer)
    now = services.clock()
    async with transaction(services) as db:
        attempt = await flows.attempt_of(db, taken, now)
        attempts.require_state(attempt, State.HANDLE_PENDING)
        if objection == "unreachable":
            attempts.note_refusal(db, attempt, PURPOSE, objection)
            raise SignInUnreachable
        if subject is None:
            attempts.note_refusal(db, attempt, PURPOSE, objection)
            raise NotFinishedHere
        case = await db.get(Case, attempt.case_id) if attempt.case_id else None
        if case is None:
            await attempts.refuse(db, attempt, PURPOSE, "unknown_link")
        if await handle_hash(services, subject) != case.author_hash:
            await attempts.refuse(db, attempt, PURPOSE, "other_account")
        await _accept(db, attempt, subject, HandleMethod.SIGN_IN, now)
        return SignedIn(attempt.slug)


async def _ask_network(
    connector: Connector, taken: TakenFlow, code: str | None, issuer: str | None
) -> tuple[str, Subject | None]:
    """(what stands against it, who signed in): nobody is asked about an answer of another server (RFC 9207)."""
    if connector.sign_in is None:
        return "switched_off", None
    if issuer != connector.sign_in.issuer:
        return "wrong_issuer", None
    if code is None:
        return "denied_there", None
    try:
        return "", await connector.sign_in.finish(code, taken.verifier, taken.redirect_uri)
    except (SignInFailed, ChannelRefused):
        return "proved_nothing", None
    except ChannelUnavailable:
        return "unreachable", None


async def _accept(db: AsyncSession, attempt: Attempt, subject: Subject, method: HandleMethod, now: datetime) -> None:
    leaf_id = await attempts.move(
        db,
        attempt,
        State.HANDLE_OK,
        "handle.proved",
        {"method": method.value, "level": int(Level.L1)},
        handle_hash=await handle_hash(services_of(db), subject),
        sealed_subject=await attempts.sealed_subject(db, attempt, subject),
        handle_method=method.value,
        handle_proved_at=now,
        level=int(Level.L1),
    )
    attempts.add_proof(db, attempt, leaf_id, of="handle", method=method.value, level=Level.L1)
