"""Authenticator apps belong to one binding, are worth no more than a typed code, and no code counts twice."""

from __future__ import annotations

import base64

import pytest

from app.actors import Customer
from app.binding import authenticator, revoking, sweeping, unlocking
from app.binding.confirming import Bound
from app.binding.errors import AuthenticatorNotAdded, CodeWrong, EnoughAuthenticators
from app.binding.models import Authenticator
from app.binding.rules import State
from app.conversations.errors import RoomLocked
from app.errors import RiserboError
from app.permissions import Level
from security import totp
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, customer_of, wrong
from tests.app.binding.outside import HOME
from tests.app.binding.test_rooms import reference_from


async def enrol(bank: Bank, bound: Bound) -> Secret:
    """Scan the picture and type the first code."""
    offer = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    secret = Secret(base64.b32decode(offer.secret))
    await authenticator.add_authenticator(
        bank.services, customer=customer_of(bound), code=totp.code_at(secret, bank.clock())
    )
    bank.clock.pass_by(seconds=60)
    return secret


async def test_an_authenticator_proves_the_customer_of_its_own_pair_at_l2(bank: Bank) -> None:
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_identity(bank, slug=slug))
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1001", "totp")
    await visitor.type_code(totp.code_at(secret, bank.clock()))
    assert (await visitor.confirm()).level == Level.L2
    assert len(await bank.leaves("authenticator.used")) == 1


async def test_a_code_counts_once(bank: Bank) -> None:
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_sms(bank, slug=slug))
    code = totp.code_at(secret, bank.clock())
    first, second = await bank.visit(slug), await bank.visit(slug)
    for visitor in (first, second):
        await visitor.sign_in()
        await visitor.ask_code("C-1001", "totp")
    await first.type_code(code)
    with pytest.raises(CodeWrong):
        await second.type_code(code)


async def test_the_code_that_enrolled_cannot_be_used_to_prove(bank: Bank) -> None:
    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    offer = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    code = totp.code_at(Secret(base64.b32decode(offer.secret)), bank.clock())
    await authenticator.add_authenticator(bank.services, customer=customer_of(bound), code=code)
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1001", "totp")
    with pytest.raises(CodeWrong):
        await visitor.type_code(code)


async def test_it_proves_nothing_for_another_handle_of_the_same_customer(bank: Bank) -> None:
    secret = await enrol(bank, await bound_by_sms(bank))
    visitor = await bank.visit(await bank.complaint("mallory"))
    await visitor.sign_in("mallory")
    await visitor.ask_code("C-1001", "totp")
    with pytest.raises(CodeWrong):
        await visitor.type_code(totp.code_at(secret, bank.clock()))


async def test_it_proves_nothing_for_another_customer_of_the_same_handle(bank: Bank) -> None:
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_sms(bank, slug=slug))
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1002", "totp")
    with pytest.raises(CodeWrong):
        await visitor.type_code(totp.code_at(secret, bank.clock()))


async def test_it_dies_with_its_binding(bank: Bank) -> None:
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_sms(bank, slug=slug))
    await bank.work()
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1001", "totp")
    with pytest.raises(CodeWrong):
        await visitor.type_code(totp.code_at(secret, bank.clock()))


async def test_it_stays_dead_when_its_binding_is_made_anew(bank: Bank) -> None:
    """What a thief enrolled before "this was not me" opens nothing once the customer is back."""
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_identity(bank, slug=slug))
    await bank.work()
    await revoking.not_me(bank.services, reference=await reference_from(bank))
    assert len(await bank.leaves("authenticator.revoked")) == 1
    bank.clock.pass_by(hours=25)
    again = await bound_by_identity(bank, slug=slug)
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code("C-1001", "totp")
    with pytest.raises(CodeWrong):
        await visitor.type_code(totp.code_at(secret, bank.clock()))
    await enrol(bank, again)


async def test_wrong_codes_look_the_same_with_and_without_an_authenticator(bank: Bank) -> None:
    slug = await bank.complaint()
    secret = await enrol(bank, await bound_by_sms(bank, slug=slug))
    seen: list[list[str]] = []
    for identifier in ("C-1001", "C-9999"):
        visitor = await bank.visit(slug)
        await visitor.sign_in()
        await visitor.ask_code(identifier, "totp")
        answers = []
        for _ in range(6):
            try:
                await visitor.type_code(wrong(totp.code_at(secret, bank.clock())))
            except RiserboError as refusal:
                answers.append(f"{refusal.code} {refusal.retry_after}")
        seen.append(answers)
        assert await visitor.state() == State.CUSTOMER_PENDING
    assert seen[0] == seen[1]
    assert seen[0][4].startswith("locked")


async def test_it_opens_a_locked_room(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    secret = await enrol(bank, bound)
    bank.clock.pass_by(minutes=15)
    await sweeping.sweep(bank.services)
    await unlocking.request_unlock_code(
        bank.services, bank.ports, session_id=bound.session_id, method="totp", network=HOME
    )
    await bank.work()
    unlocked = await unlocking.check_unlock_code(
        bank.services, session_id=bound.session_id, code=totp.code_at(secret, bank.clock()), network=HOME
    )
    assert unlocked.level == Level.L2


async def test_it_is_worth_no_more_than_a_typed_code_even_when_enrolled_at_l3(bank: Bank) -> None:
    await enrol(bank, await bound_by_identity(bank))
    kept: Authenticator = (await bank.all(Authenticator))[0]
    assert kept.max_level == Level.L2
    assert [leaf["data"]["max_level"] for leaf in await bank.leaves("authenticator.enrolled")] == [2]


async def test_looking_at_the_page_changes_nothing_and_shows_the_same_secret(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    before = await bank.leaves()
    first = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    second = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    assert first == second
    assert "digits=8" in first.uri
    assert await bank.leaves() == before
    assert await bank.all(Authenticator) == []


async def test_a_wrong_code_adds_nothing(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    offer = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    right = totp.code_at(Secret(base64.b32decode(offer.secret)), bank.clock())
    with pytest.raises(AuthenticatorNotAdded):
        await authenticator.add_authenticator(bank.services, customer=customer_of(bound), code=wrong(right))
    assert await bank.all(Authenticator) == []


async def test_the_next_secret_is_another_one_and_three_are_enough(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    secrets = [(await enrol(bank, bound)).reveal() for _ in range(3)]
    assert len(set(secrets)) == 3
    with pytest.raises(EnoughAuthenticators):
        await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))


async def test_the_secret_is_sealed_and_an_enrolment_is_announced(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    secret = await enrol(bank, bound)
    assert secret.reveal() not in (await bank.all(Authenticator))[0].sealed_secret
    await bank.work()
    assert any("app di autenticazione" in text for _, text in bank.phone.sms)


async def test_only_the_session_in_the_room_may_enrol(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    other = await bound_by_sms(bank, "marco", "C-1002")
    mixed = Customer(bound.binding_id, bound.conversation_id, other.session_id, 2, bank.clock())
    with pytest.raises(RoomLocked):
        await authenticator.add_authenticator(bank.services, customer=mixed, code="00000000")
