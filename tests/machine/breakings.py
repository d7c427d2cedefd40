"""Mistakes that somebody could make in the binding, each as a patch of a test run: the machine must find every one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.binding import attempts, confirming, flows, handle_proof, passkey_proof, revoking, rules, starting, unlocking
from app.binding.models import Attempt, Binding, Flow
from app.binding.rules import Kind
from app.cases.queries import case_by_slug
from app.channels.ports import Subject
from app.conversations import queries as room_queries
from app.conversations import service as conversations
from app.conversations.models import Conversation
from app.conversations.rules import CustomerSight
from app.database import transaction
from app.permissions import DataClass, Level
from app.services import Services
from app.sessions import service as sessions
from security.errors import PasskeyRefused
from security.passkeys import Asserted, RelyingParty
from tests.machine.promises import Promise
from tests.machine.world import COPY


@dataclass(frozen=True)
class Breaking:
    """`breaks` are the promises that may be the first to fall, `powers` those of the attacker that it takes.

    Powers are (account hijacked, victim gullible): who is the account's holder by theft breaks no promise as it.
    `begins` is a beginning near the place, where the rest of the way is long.
    """

    says: str
    plant: Callable[[], AbstractContextManager[Any]]
    breaks: frozenset[Promise]
    powers: tuple[bool, bool] = (False, True)
    begins: str | None = None


def _link_as_bearer() -> AbstractContextManager[Any]:
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


def _state_of_any_browser() -> AbstractContextManager[Any]:
    objection = flows._objection

    def tolerant(flow: Flow, kind: str, provider: str, session_id: UUID | None, now: datetime) -> str | None:
        return objection(flow, kind, provider, flow.session_id, now)

    return patch.object(flows, "_objection", tolerant)


def _proofs_of_the_case() -> AbstractContextManager[Any]:
    of_session = attempts.latest_of_session

    async def of_case(db: AsyncSession, session_id: UUID, *, slug: str = "", kind: Kind = Kind.ENTRY) -> Attempt | None:
        if kind != Kind.ENTRY:
            return await of_session(db, session_id, slug=slug, kind=kind)
        of_slug = select(Attempt).where(Attempt.slug == slug, Attempt.state.in_(rules.OPEN_STATES))
        return (
            await db.execute(of_slug.order_by(Attempt.level.desc(), Attempt.id.desc()).limit(1))
        ).scalar_one_or_none()

    return patch.object(attempts, "latest_of_session", of_case)


def _never_refused_for(reason_left_out: str) -> AbstractContextManager[Any]:
    refuse = attempts.refuse

    async def lenient(db: AsyncSession, attempt: Attempt, step: str, reason: str) -> None:
        if reason != reason_left_out:
            await refuse(db, attempt, step, reason)

    return patch.object(attempts, "refuse", lenient)


def _everything_is_read() -> AbstractContextManager[Any]:
    every = CustomerSight(tuple(kind.value for kind in DataClass), None)
    return patch.object(room_queries, "sight", lambda *_: every)


def _every_acr_is_strong() -> AbstractContextManager[Any]:
    return patch.object(rules, "level_of_identity", lambda *_: Level.L3)


def _codes_open_high() -> AbstractContextManager[Any]:
    reopen = unlocking.reopen_room

    async def high(db: AsyncSession, attempt: Attempt, _level: Level, now: datetime) -> str:
        return await reopen(db, attempt, Level.L3, now)

    return patch.object(unlocking, "reopen_room", high)


def _name_is_identity() -> AbstractContextManager[Any]:
    hashed = handle_proof.handle_hash

    async def by_name(services: Services, subject: Subject) -> bytes:
        return await hashed(services, replace(subject, immutable_id=f"id-of-{subject.handle}"))

    return patch.object(handle_proof, "handle_hash", by_name)


@contextlib.contextmanager
def _room_of_the_handle() -> Iterator[None]:
    async def of_handle(db: AsyncSession, handle_hash: bytes | None, _customer_hash: bytes | None) -> Binding | None:
        found = select(Binding).where(Binding.handle_hash == handle_hash).order_by(Binding.id).limit(1)
        return (await db.execute(found)).scalar_one_or_none()

    with ExitStack() as stack:
        stack.enter_context(patch.object(confirming, "binding_of_pair", of_handle))
        yield


def _passkey_of_any_place() -> AbstractContextManager[Any]:
    checked = passkey_proof.check_assertion

    def anywhere(answer: str, *, party: RelyingParty, **given: Any) -> Asserted:
        try:
            return checked(answer, party=party, **given)
        except PasskeyRefused:
            return checked(answer, party=replace(party, origin=COPY), **given)

    return patch.object(passkey_proof, "check_assertion", anywhere)


def _disowned_goes_on() -> AbstractContextManager[Any]:
    async def nothing(*_: object) -> None:
        return

    return patch.object(revoking, "_empty_room", nothing)


BREAKINGS: Final[dict[str, Breaking]] = {
    "link-as-bearer": Breaking(
        "whoever has the link of a case is in its room",
        _link_as_bearer,
        frozenset({Promise.SECRET, Promise.RIGHT, Promise.INSIDE}),
    ),
    "state-not-tied-to-the-browser": Breaking(
        "a redirect may be finished in any browser",
        _state_of_any_browser,
        frozenset({Promise.RIGHT, Promise.INSIDE, Promise.SECRET}),
    ),
    "proofs-kept-per-conversation": Breaking(
        "a proof counts for the case, whoever gave it",
        _proofs_of_the_case,
        frozenset({Promise.RIGHT, Promise.INSIDE, Promise.SECRET}),
    ),
    "any-handle-may-bind": Breaking(
        "another account than the one addressed is taken",
        lambda: _never_refused_for("other_account"),
        frozenset({Promise.RIGHT}),
    ),
    "no-level-check-on-reading": Breaking(
        "a session reads its whole room at any level",
        _everything_is_read,
        frozenset({Promise.SECRET}),
        (True, True),
    ),
    "relay-resistant-table-ignored": Breaking(
        "every provider's answer is worth level 3", _every_acr_is_strong, frozenset({Promise.SECRET})
    ),
    "typed-code-unlocks-level-3": Breaking(
        "a typed code opens a locked room at level 3",
        _codes_open_high,
        frozenset({Promise.SECRET}),
        (True, True),
        "relayed_locked",
    ),
    "step-up-by-another-customer": Breaking(
        "a step-up may name somebody else than the bound customer",
        lambda: _never_refused_for("other_customer"),
        frozenset({Promise.SECRET}),
        (True, True),
        "relayed_in",
    ),
    "name-taken-for-the-account": Breaking(
        "an account is compared by its name of today", _name_is_identity, frozenset({Promise.RIGHT})
    ),
    "room-of-the-handle-alone": Breaking(
        "a room belongs to the account, whoever the customer is",
        _room_of_the_handle,
        frozenset({Promise.SECRET, Promise.OWN, Promise.INSIDE}),
        (True, True),
    ),
    "passkey-of-any-place": Breaking(
        "a passkey may have been asked for by a copy of our pages",
        _passkey_of_any_place,
        frozenset({Promise.SECRET, Promise.RIGHT}),
        begins="victim_in",
    ),
    "disowned-link-goes-on": Breaking(
        "who said that it was not them changes nothing for those inside",
        _disowned_goes_on,
        frozenset({Promise.ENDED}),
        (True, True),
        "relayed_in",
    ),
}
