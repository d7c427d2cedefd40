"""Outbox work: decide in silence whether a code goes out, send it, and record what became of it.

Decision and sending are apart: the decision is committed with `sent_at` (a code may be right from then on), then the
network is called, then its answer is recorded. A retry finds the decision and sends the same code again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import record
from app.binding import (
    attempts,
    challenges,
    freezing,
    guess_budgets,
    known_customers,
    message_windows,
    pairs,
    phone_quiet,
    rules,
    texts,
)
from app.binding.guess_budgets import Guess
from app.binding.models import Attempt, Binding, Challenge
from app.binding.pairs import GuessKeys
from app.binding.ports import BindingPorts
from app.binding.queries import binding_of_pair, is_frozen, is_live
from app.binding.rules import CodeMethod, State
from app.cases import queries as cases
from app.cases.models import Case
from app.channels.ports import ChannelRefused, Connector, DirectMessageRefused, Subject
from app.database import reading, services_of, transaction
from app.directory.port import CustomerRecord
from app.limits import rates
from app.notifications.service import Work, finish
from app.services import Services

HANDLE_CODE = "binding.handle_code"
CUSTOMER_CODE = "binding.customer_code"


@dataclass(frozen=True)
class _Envelope:
    """Where a decided code goes."""

    subject: Subject
    connector: Connector


async def deliver_handle_code(services: Services, ports: BindingPorts, work: Work) -> None:
    """Write to the account that complained, if that is the account named. Raises `ChannelUnavailable` for a retry."""
    challenge_id = UUID(work.payload["challenge"])
    async with transaction(services) as db:
        envelope = await _decide_handle_code(db, ports, challenge_id, work)
        if isinstance(envelope, str):
            await _withhold(db, challenge_id, envelope, work)
            return
    sender = texts.Sender(ports.bank, ports.host)
    text = texts.handle_code_text(
        sender, work.payload["language"], network=envelope.connector.label, code=work.payload["code"]
    )
    try:
        if envelope.connector.direct_messages is None:
            raise ChannelRefused("switched_off")
        await envelope.connector.direct_messages.send(envelope.subject, text, str(work.id))
    except (DirectMessageRefused, ChannelRefused):
        await _record_refused(services, challenge_id, work, "refused_by_network")
        return
    await _record_sent(services, challenge_id, work)


async def _decide_handle_code(db: AsyncSession, ports: BindingPorts, challenge_id: UUID, work: Work) -> _Envelope | str:
    """Where to send it, or why not."""
    now = services_of(db).clock()
    challenge = await db.get_one(Challenge, challenge_id, with_for_update=True)
    attempt = await db.get_one(Attempt, challenge.attempt_id)
    if attempt.state != State.HANDLE_PENDING or attempt.version != challenge.attempt_version:
        return "stale"
    if not await challenges.is_current(db, challenge, work.payload["code"]):
        return "stale"
    case = await db.get(Case, attempt.case_id) if attempt.case_id else None
    if case is None or case.connector != attempt.connector:
        return "not_addressed"
    if not await is_addressed(db, case, await attempts.opened(db, attempt, "sealed_named")):
        return "not_addressed"
    envelope = _Envelope(await cases.author_of(db, case), ports.connector(case.connector))
    if challenge.sent_at is not None:
        return envelope
    account = case.author_hash.hex()
    wrote = await message_windows.take_code(db, connector=case.connector, handle_hash=case.author_hash, now=now)
    answers = wrote and await guess_budgets.take_answer(db, account, work.payload["network"], now)
    if not answers:
        reason = await _objection_to_message(db, case, envelope.connector, work.payload["network"], wrote=wrote)
        if reason is not None:
            return reason
    challenge.channel = rules.ANSWERED if answers else rules.HandleMethod.DIRECT_MESSAGE.value
    challenge.sent_at = now
    return envelope


async def is_addressed(db: AsyncSession, case: Case, named: Mapping[str, str]) -> bool:
    """Whether the account that a visitor named is the case's own."""
    author = await cases.author_of(db, case)
    # an account that was renamed since is named by either of its names
    handles = {author.handle, (await cases.latest_complaint(db, case)).author.handle}
    return rules.plain_account(named["account"]) in {rules.plain_account(one) for one in handles}


async def _objection_to_message(
    db: AsyncSession, case: Case, connector: Connector, network: str, *, wrote: bool
) -> str | None:
    """Into a window that the account itself opened, else within the limits, else not now.

    Limits that a stranger uses up come first, the account's own last.
    """
    now = services_of(db).clock()
    if await guess_budgets.messages_spent(db, case.author_hash.hex(), now):
        return "closed"
    if wrote:
        return None
    if not connector.accepts_unsolicited:
        return "waits_for_message"
    vault, sending = services_of(db).vault, services_of(db).policy.sending
    for purpose, value, rate in (
        ("handle-codes-network", network, sending.handle_network),
        ("handle-codes-account", case.author_hash.hex(), sending.handle_account),
        ("handle-codes-connector", case.connector, sending.handle_connector),
    ):
        if not await rates.take(db, await vault.lookup_hash(purpose, value), rate.limit, rate.per, now):
            return "rate"
    return None


async def deliver_customer_code(services: Services, ports: BindingPorts, work: Work) -> None:
    """Look the customer up, then send to what is on file.

    Raises `DirectoryUnavailable`, `PhoneChangesUnavailable`, `SendFailed` for a retry.
    For an authenticator nothing is sent: the look-up alone fixes whose codes may be right.
    """
    challenge_id = UUID(work.payload["challenge"])
    identifier = str(work.payload["identifier"])
    if not await _is_wanted(services, challenge_id):
        async with transaction(services) as db:
            await _withhold(db, challenge_id, "stale", work)
        return
    customer = await ports.directory.find(identifier)
    async with transaction(services) as db:
        await _fix_customer(db, challenge_id, customer, identifier)
    async with transaction(services) as db:
        challenge = await db.get_one(Challenge, challenge_id, with_for_update=True)
        attempt = await db.get_one(Attempt, challenge.attempt_id)
        reason = await _decide_customer_code(db, attempt, challenge, customer, work)
        if reason is not None:
            await _withhold(db, challenge_id, reason, work)
            return
        if challenge.channel == CodeMethod.TOTP:
            await finish(db, work.id)
            return
        handle = (await attempts.proved_subject(db, attempt)).handle
        network, kind, channel = ports.label_of(attempt.connector), attempt.kind, challenge.channel
    assert customer is not None
    reason = await phone_quiet.objection_to(services, ports, customer) if channel == CodeMethod.SMS else None
    if reason is not None:
        await _record_refused(services, challenge_id, work, reason)
        return
    text = texts.customer_code_text(
        texts.Sender(ports.bank, ports.host),
        customer.language,
        kind=kind,
        network=network,
        handle=handle,
        code=work.payload["code"],
    )
    await _send(ports, channel, customer, text)
    await _record_sent(services, challenge_id, work)


async def _is_wanted(services: Services, challenge_id: UUID) -> bool:
    """Whether the visitor still waits for this very code, so that nobody is looked up in vain."""
    async with reading(services) as db:
        challenge = await db.get_one(Challenge, challenge_id)
        attempt = await db.get_one(Attempt, challenge.attempt_id)
        return attempt.state == State.CUSTOMER_PENDING and attempt.version == challenge.attempt_version


def _is_stale(attempt: Attempt, challenge: Challenge) -> bool:
    return attempt.state != State.CUSTOMER_PENDING or attempt.version != challenge.attempt_version


async def _fix_customer(db: AsyncSession, challenge_id: UUID, customer: CustomerRecord | None, identifier: str) -> None:
    """Whom the challenge is about, known or not. From here on a code may be typed, so what else there is to do for
    somebody known comes after: how soon a code may be typed is the same for everybody."""
    services = services_of(db)
    challenge = await db.get_one(Challenge, challenge_id, with_for_update=True)
    attempt = await db.get_one(Attempt, challenge.attempt_id)
    if _is_stale(attempt, challenge):
        return
    assert attempt.handle_hash is not None
    sealed = await known_customers.seal_for_challenge(db, attempt, challenge, customer or known_customers.NOBODY)
    if customer is None:
        hashed = await pairs.unknown_customer_hash(services, identifier)
    else:
        hashed = await pairs.customer_hash(services, customer.customer_number)
    await db.execute(
        update(Challenge)
        .where(Challenge.id == challenge.id)
        .values(
            customer_hash=hashed,
            pair_hash=await pairs.pair_hash(services, attempt.handle_hash, hashed),
            sealed_customer=sealed if customer is not None else None,
        )
        .execution_options(synchronize_session=False)
    )


async def _decide_customer_code(
    db: AsyncSession, attempt: Attempt, challenge: Challenge, customer: CustomerRecord | None, work: Work
) -> str | None:
    """Why nothing may be sent, if so."""
    now = services_of(db).clock()
    if _is_stale(attempt, challenge):
        return "stale"
    assert attempt.handle_hash is not None
    assert challenge.typed_hash is not None
    assert challenge.pair_hash is not None
    assert challenge.customer_hash is not None
    keys = GuessKeys(challenge.typed_hash, challenge.pair_hash, challenge.customer_hash)
    binding = await binding_of_pair(db, attempt.handle_hash, keys.customer)
    if challenge.channel == CodeMethod.TOTP or challenge.sent_at is not None:
        return None
    shut = await freezing.is_shut(db, keys.customer, now)
    reason = await _objection(db, attempt, challenge, customer, binding)
    if reason is None and shut:
        reason = "customer_frozen"
    if reason is None:
        reason = await pairs.is_closed(db, keys.pair, now)
    if reason is None:
        bound = binding is not None and is_live(binding, now)
        guess = Guess(attempt.handle_hash, keys.customer, str(work.payload["network"]), bound)
        reason = await guess_budgets.spent(db, guess, now)
    if reason is None and not await _within_rates(db, keys, binding, now):
        reason = "rate"
    if reason is None:
        challenge.sent_at = now
    return reason


async def _objection(
    db: AsyncSession, attempt: Attempt, challenge: Challenge, customer: CustomerRecord | None, binding: Binding | None
) -> str | None:
    if customer is None:
        return "unknown"
    if attempt.binding_id is not None and (binding is None or binding.id != attempt.binding_id):
        return "other_customer"
    if binding is not None and is_frozen(binding, services_of(db).clock()):
        return "frozen"
    address = customer.phone if challenge.channel == CodeMethod.SMS else customer.email
    return None if address else "no_channel"


async def _within_rates(db: AsyncSession, keys: GuessKeys, binding: Binding | None, now: datetime) -> bool:
    """A new pair also draws on what all strangers together may send to one customer; a bound one does not."""
    vault, sending = services_of(db).vault, services_of(db).policy.sending
    allowances = [("customer-codes-pair", keys.pair, sending.customer_pair)]
    if binding is None or not is_live(binding, now):
        allowances.append(("customer-codes-new", keys.customer, sending.customer_new_pairs))
    for purpose, value, rate in allowances:
        if not await rates.take(db, await vault.lookup_hash(purpose, value.hex()), rate.limit, rate.per, now):
            return False
    return True


async def _send(ports: BindingPorts, channel: str, customer: CustomerRecord, text: str) -> None:
    if channel == CodeMethod.SMS and ports.senders.sms is not None and customer.phone:
        await ports.senders.sms.send_sms(customer.phone, text)
    elif channel == CodeMethod.EMAIL and ports.senders.mail is not None and customer.email:
        line = texts.subject_line(texts.Sender(ports.bank, ports.host), customer.language, "code")
        await ports.senders.mail.send_mail(customer.email, line, text)


async def _withhold(db: AsyncSession, challenge_id: UUID, reason: str, work: Work) -> None:
    challenge = await db.get_one(Challenge, challenge_id)
    record(
        db,
        "code.withheld",
        stream=f"attempt:{challenge.attempt_id}",
        actor=SYSTEM,
        data={"channel": challenge.channel, "challenge": str(challenge_id), "reason": reason},
    )
    await finish(db, work.id, "withheld")


async def _record_refused(services: Services, challenge_id: UUID, work: Work, reason: str) -> None:
    """Decided, and not sent after all: nobody has the code, so it can be right no longer."""
    async with transaction(services) as db:
        challenge = await db.get_one(Challenge, challenge_id, with_for_update=True)
        challenge.sent_at = None
        await _withhold(db, challenge_id, reason, work)


async def _record_sent(services: Services, challenge_id: UUID, work: Work) -> None:
    async with transaction(services) as db:
        challenge = await db.get_one(Challenge, challenge_id)
        record(
            db,
            "code.sent",
            stream=f"attempt:{challenge.attempt_id}",
            actor=SYSTEM,
            data={"channel": challenge.channel, "challenge": str(challenge_id)},
        )
        await finish(db, work.id)


HANDLERS: Mapping[str, Callable[[Services, BindingPorts, Work], Awaitable[None]]] = {
    HANDLE_CODE: deliver_handle_code,
    CUSTOMER_CODE: deliver_customer_code,
}
