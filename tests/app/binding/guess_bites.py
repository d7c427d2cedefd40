"""For each figure of `[tries]` an act that turns out otherwise once the figure is changed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.binding import authenticator
from app.binding.errors import CodeWrong, EnoughAuthenticators, EnoughCodes
from app.database import transaction
from app.limits.errors import Locked
from app.limits.models import GuessCounter
from app.policy import Rate
from tests.app.binding.bank import Bank, bound_by_sms, code_in, customer_of, last_code, wrong
from tests.app.binding.outside import HOME, SquareInbox
from tests.app.binding.policy_bites import HOUR, MINUTE, at_the_customer_step, bites, rule
from tests.app.binding.test_authenticators import enrol
from tests.app.binding.test_write_first import Shy, switched
from tests.support.policies import changed


@bites("tries.per_code")
async def a_code_has_the_policys_tries(bank: Bank) -> None:
    rule(bank, {"tries.per_code": 2})
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    right = code_in(bank.messages.sent[-1][1])
    for typed in (wrong(right), wrong(right), right):
        with pytest.raises(CodeWrong):
            await visitor.type_handle_code(typed)


@bites("tries.codes_per_attempt")
async def an_attempt_has_the_policys_codes(bank: Bank) -> None:
    rule(bank, {"tries.codes_per_attempt": 1})
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    with pytest.raises(EnoughCodes):
        await visitor.ask_direct_message()
    await visitor.sign_in()
    await visitor.ask_code()
    with pytest.raises(EnoughCodes):
        await visitor.ask_code()


@bites("tries.pair.in_a_row", "tries.pair.first_lock", "tries.pair.longest_lock")
async def a_pair_locks_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"tries.pair.in_a_row": 1, "tries.pair.first_lock": 4 * MINUTE, "tries.pair.longest_lock": 5 * MINUTE})
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    for minutes in (4, 5):
        with pytest.raises(Locked) as locked:
            await visitor.type_code(wrong(last_code(bank)))
        assert locked.value.retry_after == minutes * 60
        bank.clock.pass_by(minutes=minutes)
        await visitor.ask_code()


@bites("tries.wrong_a_day")
async def new_pairs_close_after_the_policys_wrong_ones(bank: Bank) -> None:
    rule(bank, {"tries.wrong_a_day": 1})
    first = await at_the_customer_step(bank, "mallory")
    await first.ask_code()
    with pytest.raises(CodeWrong):
        await first.type_code(wrong(last_code(bank)))
    await (await at_the_customer_step(bank, "eve")).ask_code()
    assert await bank.withheld() == ["closed"]


@bites("tries.wrong_in_all")
async def codes_are_over_for_a_pair_until_another_method_proves_it(bank: Bank) -> None:
    rule(bank, {"tries.wrong_in_all": 12})
    slug = await bank.complaint()
    await bound_by_sms(bank, slug=slug)
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code()
    with pytest.raises(CodeWrong):
        await visitor.type_code(wrong(last_code(bank)))
    async with transaction(bank.services) as db:
        for counter in [await db.get_one(GuessCounter, one.key_hash) for one in await bank.all(GuessCounter)]:
            counter.locks, counter.in_a_row = 2, 2
    sent = len(bank.phone.sms)
    bank.clock.pass_by(minutes=1)
    await visitor.ask_code()
    assert (await bank.withheld())[-1] == "used_up"
    await visitor.identify()
    await visitor.confirm()
    again = await bank.visit(slug)
    await again.sign_in()
    await again.ask_code()
    assert len(bank.phone.sms) > sent


async def wrong_tries(bank: Bank, names: Sequence[str], identifiers: Sequence[str], network: str = HOME) -> None:
    """One wrong code of each at the customer beside it."""
    for name, identifier in zip(names, identifiers, strict=True):
        visitor = await at_the_customer_step(bank, name)
        await visitor.ask_code(identifier)
        with pytest.raises(CodeWrong):
            await visitor.type_code(wrong(last_code(bank)), network)


@bites("tries.by_handle", "tries.by_network", "tries.everybody")
async def who_has_guessed_enough_gets_no_code_that_could_be_right(bank: Bank) -> None:
    for key, names in (("by_handle", ["eve"] * 2), ("by_network", ["ida", "ivo"]), ("everybody", ["ugo", "ada"])):
        bank.services.policy = changed({f"tries.{key}": Rate(2, HOUR)})
        await wrong_tries(bank, names, ["C-1001", "C-1002"])
        await (await at_the_customer_step(bank, names[0])).ask_code("C-1002")
        assert (await bank.withheld())[-1:] == ["slowed"], key
        bank.clock.pass_by(days=1)


@bites("tries.bound")
async def whoever_holds_a_bound_handle_has_the_policys_guesses(bank: Bank) -> None:
    rule(bank, {"tries.bound": Rate(1, HOUR)})
    slug = await bank.complaint()
    await bound_by_sms(bank, slug=slug)
    visitor = await bank.visit(slug)
    await visitor.sign_in()
    await visitor.ask_code()
    with pytest.raises(CodeWrong):
        await visitor.type_code(wrong(last_code(bank)))
    bank.clock.pass_by(minutes=1)
    await visitor.ask_code()
    assert await bank.withheld() == ["closed"]


@bites("tries.message")
async def an_accounts_codes_are_guessed_at_as_often_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"tries.message": Rate(1, HOUR)})
    slug = await bank.complaint()
    visitor = await bank.visit(slug)
    await visitor.ask_direct_message()
    right = code_in(bank.messages.sent[-1][1])
    for code in (wrong(right), right):
        with pytest.raises(CodeWrong):
            await visitor.type_handle_code(code)
    bank.clock.pass_by(hours=1)
    again = await bank.visit(slug)
    await again.ask_direct_message()
    await again.type_handle_code(code_in(bank.messages.sent[-1][1]))


@bites("tries.answered")
async def who_writes_has_as_many_codes_beside_all_guesses_as_the_policy_says(bank: Bank) -> None:
    rule(bank, {"tries.answered": Rate(1, 24 * HOUR), "tries.message": Rate(1, 24 * HOUR)})
    place = Shy(bank, SquareInbox(), await bank.complaint())
    switched(bank, place.inbox, accepts_unsolicited=False)
    await place.writes()
    for _ in range(2):
        visitor = await place.waiting()
        with pytest.raises(CodeWrong):
            await visitor.type_handle_code(wrong(place.codes[-1]))
    await place.waiting()
    assert (len(place.codes), await bank.withheld()) == (2, ["closed"])


@bites("tries.authenticators")
async def a_binding_has_the_policys_authenticators(bank: Bank) -> None:
    rule(bank, {"tries.authenticators": 1})
    bound = await bound_by_sms(bank)
    await enrol(bank, bound)
    with pytest.raises(EnoughAuthenticators):
        await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
