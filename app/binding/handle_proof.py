"""Proving the handle: sign-in at the network, or a code by direct message to the account that complained.

Before the verdict of a sign-in, every answer is the same whether or not the case exists or the account is the one
addressed. The worker alone decides whether a code goes out (`code_delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import false, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, challenges, flows, guess_budgets, rules
from app.binding.code_delivery import HANDLE_CODE
from app.binding.errors import (
    AccountIncomplete,
    AccountNeeded,
    CodeWrong,
    MethodNotOffered,
    NotFinishedHere,
    SignInUnreachable,
)
from app.binding.flows import Leaving, TakenFlow
from app.binding.models import Attempt
from app.binding.ports import BindingPorts
from app.binding.rules import HandleMethod, State
from app.cases import queries as cases
from app.cases.arriving import handle_hash
from app.cases.models import Case
from app.channels.ports import (
    AccountNotNamed,
    ChannelError,
    ChannelRefused,
    ChannelUnavailable,
    Connector,
    Departure,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
)
from app.database import reading, services_of, transaction
from app.notifications.service import CODES_FIRST, enqueue
from app.permissions import Level
from app.services import Services

PURPOSE = "handle"
LONGEST_ACCOUNT = 200
BEFORE: Final = (State.STARTED, State.HANDLE_PENDING)


@dataclass(frozen=True)
class CodeRequested:
    """The page that takes the code comes next, whether or not one will be sent."""


@dataclass(frozen=True)
class SignedIn:
    """The handle is proved; the browser goes on to /c/{slug}/customer."""

    slug: str


@dataclass(frozen=True)
class _Choice:
    """What the visitor named and chose, and where the attempt must stand; `document` is what is sealed of it."""

    connector: Connector
    method: str
    document: dict[str, str]
    states: tuple[State, ...]


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

    `network` is `network_of` the visitor's address, `language` that of the visitor's pages. Raises `OutOfStep`,
    `AttemptOver`, `MethodNotOffered`, `AccountNeeded`, `AccountIncomplete`, `EnoughCodes`,
    `CodeTooSoon`, `SignInUnreachable`.
    """
    chosen = ports.connector(connector)
    if method not in ports.handle_methods(services.policy, chosen):
        raise MethodNotOffered
    named = account.strip()[:LONGEST_ACCOUNT]
    if not named:
        raise AccountNeeded
    try:
        named = chosen.tidy_account(named)
    except AccountNotNamed:
        raise AccountIncomplete from None
    choice = _Choice(chosen, method, {"account": named, "network": network, "language": language}, BEFORE)
    return await _go_on(services, ports, session_id, slug, choice)


async def resend(services: Services, ports: BindingPorts, *, session_id: UUID, slug: str) -> Leaving | CodeRequested:
    """The same choice once more: a new redirect, or a new code that puts the old one out of use."""
    async with reading(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, State.HANDLE_PENDING)
        document = await attempts.opened(db, attempt, "sealed_named")
    choice = _Choice(ports.connector(attempt.connector or ""), attempt.handle_method or "", document, BEFORE[1:])
    return await _go_on(services, ports, session_id, slug, choice)


async def _go_on(
    services: Services, ports: BindingPorts, session_id: UUID, slug: str, choice: _Choice
) -> Leaving | CodeRequested:
    """A sign-in asks the server of the account named, whoever's it is, before the transaction that moves the attempt.

    So whatever that server does and however long it takes, it says nothing about the case.
    """
    secrets, departure = flows.new_secrets(), None
    if choice.method == HandleMethod.SIGN_IN:
        async with reading(services) as db:
            attempts.require_state(
                await attempts.of_session(db, session_id, services.clock(), slug=slug), *choice.states
            )
        departure = await _departure(services, ports, choice, secrets)
    async with transaction(services) as db:
        attempt = await attempts.of_session(db, session_id, services.clock(), slug=slug)
        attempts.require_state(attempt, *choice.states)
        if departure is None:
            await _require_another(db, attempt, choice)
        await _name(db, attempt, choice.connector, choice.method, choice.document)
        if departure is None:
            return await _ask_for_code(db, attempt, choice.document)
        await flows.store(
            db,
            attempt,
            secrets,
            kind=PURPOSE,
            provider=choice.connector.name,
            redirect_uri=departure.redirect_uri,
            memo=departure.memo,
        )
    return Leaving(departure.url, choice.connector.label)


async def _require_another(db: AsyncSession, attempt: Attempt, choice: _Choice) -> None:
    """Whether one more code may be asked for; to another account than the one named before, without a wait."""
    before = await attempts.opened(db, attempt, "sealed_named") or {}
    again = before.get("account") == choice.document["account"] and attempt.connector == choice.connector.name
    await challenges.require_another(db, attempt, purpose=PURPOSE, same_place=true() if again else false())


async def _departure(services: Services, ports: BindingPorts, choice: _Choice, secrets: flows.FlowSecrets) -> Departure:
    if choice.connector.sign_in is None:
        raise MethodNotOffered
    wish = SignInWish(
        account=choice.document["account"],
        state=secrets.state,
        code_challenge=secrets.code_challenge,
        return_address=ports.sign_in_return(choice.connector.name),
        visitor=choice.document["network"],
    )
    try:
        return await choice.connector.sign_in.begin(services, wish)
    except AccountNotNamed:
        raise AccountIncomplete from None
    except ChannelError:
        raise SignInUnreachable from None


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


async def _ask_for_code(db: AsyncSession, attempt: Attempt, document: dict[str, str]) -> CodeRequested:
    """Challenge and work are made for everybody, so that the request costs the same time for everybody."""
    lifetime = services_of(db).policy.lifetimes.handle_code
    challenge, code = await challenges.add(
        db, attempt, purpose=PURPOSE, channel=HandleMethod.DIRECT_MESSAGE, lifetime=lifetime
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
        # Only a code that was sent has chances that count against an account.
        account = case.author_hash.hex() if case is not None and live.sent_at is not None else str(attempt.id)
        answered = live.sent_at is not None and live.channel == rules.ANSWERED
        taken = answered or await guess_budgets.take_message(db, account, now)
        try:
            await challenges.check(db, live, code)
            if case is None or not taken:
                raise CodeWrong
        except CodeWrong:
            challenges.record_refusal(db, attempt, live)
            raise
        if answered:
            await guess_budgets.give_back_answer(db, account)
        else:
            await guess_budgets.give_back_message(db, account)
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
    path: str | None = None,
) -> SignedIn:
    """The callback of a network's sign-in; `code` is None when it came back with an error, `issuer` its `iss`.

    `path` is where the browser came back to: a code that one server sends to another one's address is never used.

    Consume and commit, ask the network, record in a second transaction. Raises `NotFinishedHere` with the same words
    for a foreign browser, a replay, another account and a link that is not ours; `SignInUnreachable`.
    """
    chosen = ports.connector(connector)
    taken = await flows.take(services, kind=PURPOSE, provider=connector, session_id=session_id, state=state)
    objection, subject = "other_address", None
    if path is None or path == urlsplit(taken.redirect_uri).path:
        objection, subject = await _ask_network(services, chosen, taken, code, issuer)
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
        if not services.policy.offers_handle(HandleMethod.SIGN_IN, case.connector):
            await attempts.refuse(db, attempt, PURPOSE, "not_offered")
        await _accept(db, attempt, subject, HandleMethod.SIGN_IN, now)
        return SignedIn(attempt.slug)


async def _ask_network(
    services: Services, connector: Connector, taken: TakenFlow, code: str | None, issuer: str | None
) -> tuple[str, Subject | None]:
    """(what stands against it, who signed in): nobody is asked about an answer of another server (RFC 9207)."""
    if connector.sign_in is None:
        return "switched_off", None
    if not connector.sign_in.is_issuer(taken.memo, issuer):
        return "wrong_issuer", None
    if code is None:
        return "denied_there", None
    answer = SignInAnswer(code, issuer, taken.verifier, taken.redirect_uri, taken.memo)
    try:
        return "", await connector.sign_in.finish(services, answer)
    except SignInFailed as failed:
        return failed.reason, None
    except ChannelRefused:
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
