"""A link that is undone stays undone: for who is confirming just then, for proofs of before, for old notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from app.actors import SYSTEM
from app.binding import passkeys, revoking
from app.binding.confirming import Bound
from app.binding.errors import AttemptOver, NotFinishedHere
from app.binding.models import Binding, Passkey
from app.conversations.models import Conversation
from app.database import transaction
from app.permissions import Level
from app.sessions.models import Session
from security import totp
from security.secret import Secret
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, customer_of, last_code
from tests.app.binding.test_authenticators import enrol
from tests.app.binding.test_passkeys import enrol as enrol_passkey
from tests.app.binding.test_passkeys import proved_by_passkey
from tests.app.binding.test_rooms import reference_from

LONG_ENOUGH = 0.5
"""Seconds in which a confirmation comes as far as it can. One that is slower is refused all the more surely."""


async def nobody_is_in(bank: Bank, bound: Bound) -> bool:
    """The room is empty, the binding undone, and no session of it is left."""
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    binding: Binding = await bank.one(Binding, bound.binding_id)
    live = [one for one in await bank.all(Session) if one.binding_id == binding.id and one.ended_at is None]
    return room.session_id is None and binding.state == "revoked" and not live


async def by_code(visitor: Visitor) -> None:
    await visitor.ask_code()
    await visitor.type_code(last_code(visitor.bank))


async def by_identity(visitor: Visitor) -> None:
    await visitor.identify()


@pytest.mark.parametrize(
    ("reason", "word"), [("not_me", "frozen"), ("by_bank", "frozen"), ("by_customer", "undone_since")]
)
async def test_who_confirms_while_the_link_is_being_undone_does_not_come_in(
    bank: Bank, reason: revoking.Reason, word: str
) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    intruder = await bank.visit(slug)
    await intruder.sign_in()
    await intruder.identify()
    bank.clock.pass_by(seconds=1)
    async with transaction(bank.services) as db:
        await revoking.revoke(db, bound.binding_id, reason=reason, actor=SYSTEM)
        confirming = asyncio.create_task(intruder.confirm(browser="intruders"))
        await asyncio.sleep(LONG_ENOUGH)
    with pytest.raises(NotFinishedHere):
        await confirming
    assert (await bank.reasons())[-1] == word
    assert await nobody_is_in(bank, bound)


@pytest.mark.parametrize("prove", [by_code, by_identity])
async def test_what_was_proved_before_the_link_was_undone_does_not_bring_it_back(
    bank: Bank, prove: Callable[[Visitor], Awaitable[None]]
) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    intruder = await bank.visit(slug)
    await intruder.sign_in()
    await prove(intruder)
    bank.clock.pass_by(seconds=1)
    await revoking.revoke_own(bank.services, customer_of(bound))
    bank.clock.pass_by(seconds=1)
    with pytest.raises(NotFinishedHere):
        await intruder.confirm(browser="intruders")
    assert (await bank.reasons())[-1] == "undone_since"
    assert await nobody_is_in(bank, bound)
    assert (await bound_by_identity(bank, slug=slug)).binding_id == bound.binding_id


async def proved_by_authenticator(bank: Bank, slug: str, secret: Secret) -> Visitor:
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1001", "totp")
    await visitor.type_code(totp.code_at(secret, bank.clock()))
    return visitor


async def test_an_authenticator_does_not_bring_back_a_link_that_ends_before_the_confirmation(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    secret = await enrol(bank, bound)
    until = (await bank.one(Binding, bound.binding_id)).expires_at
    bank.clock.now = until - timedelta(minutes=1)
    late = await proved_by_authenticator(bank, slug, secret)
    bank.clock.now = until
    with pytest.raises(NotFinishedHere):
        await late.confirm()
    assert (await bank.reasons())[-1] == "binding_over"


async def test_an_authenticator_makes_its_link_last_no_longer(bank: Bank) -> None:
    """Otherwise who has the account and the app would never again be asked who they are at the bank."""
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    secret = await enrol(bank, bound)
    until = (await bank.one(Binding, bound.binding_id)).expires_at
    bank.clock.pass_by(days=60)
    again = await (await proved_by_authenticator(bank, slug, secret)).confirm()
    assert (again.binding_id, again.level) == (bound.binding_id, Level.L2)
    assert (await bank.one(Binding, bound.binding_id)).expires_at == until
    await bound_by_identity(bank, slug=slug)
    assert (await bank.one(Binding, bound.binding_id)).expires_at > until


async def test_who_showed_the_lost_passkey_and_has_not_confirmed_begins_again_once_it_is_removed(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    lost = await enrol_passkey(bank, bound)
    thief = await proved_by_passkey(bank, slug, lost)
    [known] = await bank.all(Passkey)
    await passkeys.remove(bank.services, customer=customer_of(bound), passkey_id=known.id)
    with pytest.raises(AttemptOver):
        await thief.confirm(browser="thiefs")
    assert [leaf["data"] for leaf in await bank.leaves("attempt.cancelled")] == [{"reason": "passkey_removed"}]
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    assert room.session_id == bound.session_id


async def test_an_old_notice_undoes_no_link_that_was_made_after_one_was_answered(bank: Bank) -> None:
    """Whoever once had the number on file must not be able to shut the customer out for ever."""
    slug = await bank.complaint()
    bound = await bound_by_identity(bank, slug=slug)
    first = await reference_from(bank)
    await enrol_passkey(bank, bound)
    await bank.work()
    second = await reference_from(bank)
    assert first != second
    await revoking.not_me(bank.services, reference=second)
    assert await nobody_is_in(bank, bound)
    bank.clock.pass_by(hours=25)
    again = await bound_by_identity(bank, slug=slug)
    for old in (first, second):
        await revoking.not_me(bank.services, reference=old)
        assert (await bank.one(Binding, again.binding_id)).state == "active"
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    assert await nobody_is_in(bank, again)
