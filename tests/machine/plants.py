"""Mistakes that somebody could make in the binding: each takes one check out of the real code while it is planted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.binding import (
    attempts,
    confirming,
    flows,
    freezing,
    handle_proof,
    openid_provider,
    passkey_proof,
    passkey_raising,
    phone_quiet,
    returning,
    revoking,
    rules,
    starting,
    unlocking,
    wallet,
)
from app.binding.identity_provider import IdentityRefused, Posted
from app.binding.models import Attempt, Binding, Flow
from app.binding.passkey_proof import Weighed
from app.binding.ports import BindingPorts
from app.binding.rules import Kind
from app.cases.queries import case_by_slug
from app.channels.ports import Subject
from app.conversations import posting
from app.conversations import queries as room_queries
from app.conversations import rules as room_rules
from app.conversations import service as conversations
from app.conversations.models import Conversation
from app.conversations.rules import CustomerSight
from app.database import transaction
from app.permissions import DataClass, Level
from app.policy import sense
from app.services import Services
from app.sessions import service as sessions
from security.errors import PasskeyRefused
from security.id_tokens import Asked
from security.jwts import VerificationKeys
from security.passkeys import Asserted, RelyingParty
from security.tokens import new_token
from tests.machine.world import COPY
from tests.support.scripted_openid import read

Planted = AbstractContextManager[Any]
_ONE_VERIFIER: Final = "v" * 43


def link_as_bearer() -> Planted:
    begun = starting.start

    async def start(services: Services, *, slug: str, session_id: UUID | None) -> starting.AttemptStarted:
        started = await begun(services, slug=slug, session_id=session_id)
        async with transaction(services) as db:
            case = await case_by_slug(db, slug)
            assert case is not None
            of_case = select(Conversation).where(Conversation.case_id == case.id, Conversation.level >= Level.L2)
            room = (await db.execute(of_case.limit(1))).scalar_one_or_none()
            if room is None:
                return started
            token = await _let_in(db, started.session_id, room, services.clock())
        return replace(started, session_token=token)

    return patch.object(starting, "start", start)


async def _let_in(db: AsyncSession, session_id: UUID, room: Conversation, now: datetime) -> str:
    level = Level(room.level)
    inside = await sessions.raise_to_binding(
        db, session_id, binding_id=room.binding_id, conversation_id=room.id, level=level, now=now
    )
    customer = Customer(room.binding_id, room.id, inside.session.id, int(level), now)
    await db.flush()
    await conversations.enter(
        db, room.id, session_id=inside.session.id, level=level, case_id=room.case_id, actor=customer
    )
    return inside.token


def state_of_any_browser() -> Planted:
    objection = flows._objection

    def tolerant(flow: Flow, kind: str, provider: str, session_id: UUID | None, now: datetime) -> str | None:
        return objection(flow, kind, provider, flow.session_id, now)

    return patch.object(flows, "_objection", tolerant)


def proofs_of_the_case() -> Planted:
    of_session = attempts.latest_of_session

    async def of_case(db: AsyncSession, session_id: UUID, *, slug: str = "", kind: Kind = Kind.ENTRY) -> Attempt | None:
        if kind != Kind.ENTRY:
            return await of_session(db, session_id, slug=slug, kind=kind)
        of_slug = select(Attempt).where(Attempt.slug == slug, Attempt.state.in_(rules.OPEN_STATES))
        return (
            await db.execute(of_slug.order_by(Attempt.level.desc(), Attempt.id.desc()).limit(1))
        ).scalar_one_or_none()

    return patch.object(attempts, "latest_of_session", of_case)


def never_refused_for(reason_left_out: str) -> Planted:
    refuse = attempts.refuse

    async def lenient(db: AsyncSession, attempt: Attempt, step: str, reason: str) -> None:
        if reason != reason_left_out:
            await refuse(db, attempt, step, reason)

    return patch.object(attempts, "refuse", lenient)


def everything_is_read() -> Planted:
    every = CustomerSight(tuple(kind.value for kind in DataClass), None)
    return patch.object(room_queries, "sight", lambda *_: every)


def every_acr_is_strong() -> Planted:
    return patch.object(rules, "level_of_identity", lambda *_: Level.L3)


def codes_open_high() -> Planted:
    reopen = unlocking.reopen_room

    async def high(db: AsyncSession, attempt: Attempt, _level: Level, now: datetime) -> str:
        return await reopen(db, attempt, Level.L3, now)

    return patch.object(unlocking, "reopen_room", high)


def name_is_identity() -> Planted:
    hashed = handle_proof.handle_hash

    async def by_name(services: Services, subject: Subject) -> bytes:
        return await hashed(services, replace(subject, immutable_id=f"id-of-{subject.handle}"))

    return patch.object(handle_proof, "handle_hash", by_name)


def room_of_the_handle() -> Planted:
    async def of_handle(
        db: AsyncSession, handle_hash: bytes | None, _customer_hash: bytes | None, *, lock: bool = False
    ) -> Binding | None:
        del lock
        found = select(Binding).where(Binding.handle_hash == handle_hash).order_by(Binding.id).limit(1)
        return (await db.execute(found)).scalar_one_or_none()

    return patch.object(confirming, "binding_of_pair", of_handle)


def passkey_of_any_place() -> Planted:
    checked = passkey_proof.check_assertion

    def anywhere(answer: str, *, party: RelyingParty, **given: Any) -> Asserted:
        try:
            return checked(answer, party=party, **given)
        except PasskeyRefused:
            return checked(answer, party=replace(party, origin=COPY), **given)

    return patch.object(passkey_proof, "check_assertion", anywhere)


def disowned_goes_on() -> Planted:
    async def nothing(*_: object) -> None:
        return

    return patch.object(revoking, "_empty_room", nothing)


def frozen_or_not() -> Planted:
    return patch.object(confirming, "is_frozen", lambda *_: False)


def shut_or_not() -> Planted:
    async def never(*_: object) -> bool:
        return False

    return patch.object(freezing, "is_shut", never)


def older_text_at_level_2() -> Planted:
    return patch.object(room_rules, "only_session", lambda *_: None)


def any_class_that_the_agent_says() -> Planted:
    def chosen_or(chosen: DataClass | None, lowest: DataClass) -> DataClass:
        return chosen or max(DataClass.ACCOUNT, lowest, key=room_rules.ORDER.index)

    return patch.object(posting, "class_of_answer", chosen_or)


def open_after_a_foreign_browser() -> Planted:
    objection = flows._objection

    def other_word(*asked: Any) -> str | None:
        found = objection(*asked)
        return "elsewhere" if found == flows.FOREIGN else found

    return patch.object(flows, "_objection", other_word)


def one_verifier_for_all() -> Planted:
    return patch.object(flows, "new_secrets", lambda: flows.FlowSecrets(new_token(), _ONE_VERIFIER, new_token()))


def _token_checks(as_asked: Callable[[Asked, str], Asked]) -> Planted:
    verify = openid_provider.verify_id_token

    def lenient(token: str, keys: VerificationKeys, asked: Asked, *more: Any) -> Any:
        return verify(token, keys, as_asked(asked, token), *more)

    return patch.object(openid_provider, "verify_id_token", lenient)


def nonce_of_any_request() -> Planted:
    return _token_checks(lambda asked, token: replace(asked, nonce=read(token)["nonce"]))


def sign_in_of_any_time() -> Planted:
    return _token_checks(lambda asked, _token: replace(asked, signed_in_since=None))


def wallet_answer_without_its_code() -> Planted:
    def whole(posted: Posted | None, _code: str) -> Any:
        if posted is None:
            raise IdentityRefused("nothing_posted")
        return posted.fields

    return patch.object(wallet, "_fields", whole)


def passkey_of_another_binding() -> Planted:
    async def any_of_ours(
        db: AsyncSession, ports: BindingPorts, attempt: Attempt, answer: str, now: datetime
    ) -> Weighed:
        weighed = await passkey_proof.weigh(db, ports, attempt, answer, now, named=True)
        if isinstance(weighed, str):
            passkey_proof.refuse(db, attempt, weighed)
        return weighed

    return patch.object(passkey_raising, "_weighed", any_of_ours)


def passkey_from_any_link() -> Planted:
    async def anywhere(
        _db: AsyncSession, _attempt: Attempt, weighed: Weighed, _now: datetime, _browser: str | None
    ) -> Weighed:
        return weighed

    return patch.object(returning, "_addressed", anywhere)


def never_proved_anew() -> Planted:
    return patch.object(rules, "reproof_due", lambda *_, **__: None)


def rooms_outlive_accounts() -> Planted:
    return patch.object(rules, "ENDING_REPROOFS", frozenset())


def codes_to_a_changed_telephone() -> Planted:
    async def none(*_: object) -> None:
        return

    return patch.object(phone_quiet, "objection_to", none)


def policy_that_contradicts_itself() -> Planted:
    return patch.object(sense, "_relay", lambda *_: iter(()))
