"""Budgets of guessing: none passes however many try at once, and only those who guess at others' codes pay for it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import guess_budgets
from app.binding.errors import CodeWrong
from app.binding.guess_budgets import Guess
from app.errors import RiserboError
from app.limits import guesses
from app.permissions import Level
from app.policy import Rate
from tests.app.binding.bank import Bank, Visitor, bound_by_identity, bound_by_sms, code_in, last_code, wrong
from tests.app.binding.outside import HOME
from tests.app.binding.policy_bites import at_the_customer_step, rule
from tests.support.house import ON_POSTGRESQL

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AT_ONCE = 30
MANY = {"sending.customer_new_pairs": Rate(1_000, DAY)}
ELSEWHERE = "198.51.100.0/24"


async def with_a_code(bank: Bank, name: str, identifier: str = "C-1001") -> tuple[Visitor, str]:
    """A visitor who has been sent a code, and the code."""
    visitor = await at_the_customer_step(bank, name)
    before = len(bank.phone.sms)
    await visitor.ask_code(identifier)
    assert len(bank.phone.sms) == before + 1, await bank.withheld()
    return visitor, last_code(bank)


async def guess(visitor: Visitor, code: str, network: str = HOME) -> str:
    try:
        await visitor.type_code(code, network)
    except RiserboError as refusal:
        return refusal.code
    return "right"


async def strangers_guess(bank: Bank, names: str, identifier: str = "C-1001", network: str = HOME) -> None:
    """One wrong code of each of these, each letter a handle of its own."""
    for name in names:
        visitor, right = await with_a_code(bank, f"stranger-{name}", identifier)
        assert await guess(visitor, wrong(right), network) == "code_wrong"


async def many_at_once(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of thirty strangers' guesses at one customer, made in the same moment, might have been right."""
    rule(bank, MANY)
    visitors = [await with_a_code(bank, f"stranger-{number}") for number in range(AT_ONCE)]
    taken: list[bool] = []
    take = guess_budgets.take

    async def counted(db: AsyncSession, one: Guess, now: datetime) -> bool:
        taken.append(await take(db, one, now))
        return taken[-1]

    monkeypatch.setattr(guess_budgets, "take", counted)
    seen = await asyncio.gather(*(guess(visitor, wrong(right)) for visitor, right in visitors))
    assert set(seen) == {"code_wrong"}
    assert len(taken) == AT_ONCE
    return taken.count(True)


async def test_of_many_wrong_codes_at_once_no_more_than_the_days_might_have_been_right(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await many_at_once(bank, monkeypatch) == bank.services.policy.tries.wrong_a_day
    visitor = await at_the_customer_step(bank, "trudy")
    await visitor.ask_code("C-1001")
    assert (await bank.withheld())[-1] == "closed"


@ON_POSTGRESQL
async def test_a_day_that_is_read_before_it_is_counted_would_be_seen(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same thirty, with the counter that this one replaced: looked at, then raised."""

    async def look_then_count(db: AsyncSession, key: bytes, most: int, now: datetime) -> bool:
        if (await guesses.state_of(db, key, now)).today >= most:
            return False
        await asyncio.sleep(0.05)
        return await guesses_count(db, key, 1_000_000, now)

    guesses_count = guesses.count_today
    monkeypatch.setattr(guesses, "count_today", look_then_count)
    rule(bank, {"tries.by_network": Rate(1_000, HOUR)})
    # Everybody's other rows would make them wait all the same, so each comes from a network of its own.
    networks = iter(f"203.0.{number}.0/24" for number in range(AT_ONCE))
    type_code = Visitor.type_code
    monkeypatch.setattr(Visitor, "type_code", lambda self, code, _network: type_code(self, code, next(networks)))
    assert await many_at_once(bank, monkeypatch) > bank.services.policy.tries.wrong_a_day


async def test_everybodys_budget_slows_codes_of_new_pairs_and_nothing_else(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    await bound_by_sms(bank, "giulia", "C-1001", slug)
    rule(bank, MANY | {"tries.everybody": Rate(6, HOUR)})
    early, right = await with_a_code(bank, "early", "C-1002")
    await strangers_guess(bank, "abc", "C-1001")
    await strangers_guess(bank, "def", "C-1002", ELSEWHERE)
    sent = len(bank.phone.sms)
    late = await at_the_customer_step(bank, "marco")
    await late.ask_code("C-1002")
    assert (await bank.withheld())[-1] == "slowed"
    assert len(bank.phone.sms) == sent
    assert await guess(early, right) == "code_wrong", "a code that was sent before is right no longer"
    assert (await bound_by_sms(bank, "giulia", "C-1001", slug)).level == Level.L2
    assert (await bound_by_identity(bank, "marco", "C-1002")).level == Level.L3
    bank.clock.pass_by(minutes=10)
    again, right = await with_a_code(bank, "trudy", "C-1002")
    assert await guess(again, right) == "right"


async def test_right_codes_cost_nothing(bank: Bank) -> None:
    tight = Rate(1, HOUR)
    rule(bank, {"tries.everybody": tight, "tries.by_network": tight, "tries.by_handle": tight, "tries.wrong_a_day": 1})
    for name in ("giulia", "marco", "ida"):
        assert (await bound_by_sms(bank, name, "C-1001")).level == Level.L2
    rule(bank, {"tries.bound": tight})
    for _ in range(3):
        assert (await bound_by_sms(bank, "giulia", "C-1001")).level == Level.L2


async def test_a_network_is_slowed_and_never_closed_and_no_other_one_with_it(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    await bound_by_sms(bank, "giulia", "C-1001", slug)
    rule(bank, MANY | {"tries.by_network": Rate(3, HOUR)})
    there, theirs = await with_a_code(bank, "ida", "C-1002")
    here, ours = await with_a_code(bank, "ivo", "C-1002")
    await strangers_guess(bank, "abc")
    assert await guess(here, ours) == "code_wrong"
    assert await guess(there, theirs, ELSEWHERE) == "right"
    assert (await bound_by_sms(bank, "giulia", "C-1001", slug)).level == Level.L2
    assert (await bound_by_identity(bank, "marco", "C-1002")).level == Level.L3
    bank.clock.pass_by(minutes=20)
    again, right = await with_a_code(bank, "trudy", "C-1002")
    assert await guess(again, right) == "right"


async def test_a_handle_that_guesses_at_many_customers_closes_for_itself_alone(bank: Bank) -> None:
    rule(bank, MANY | {"tries.by_handle": Rate(2, DAY)})
    for identifier in ("C-1001", "C-1002"):
        visitor, right = await with_a_code(bank, "mallory", identifier)
        assert await guess(visitor, wrong(right)) == "code_wrong"
    visitor = await at_the_customer_step(bank, "mallory")
    await visitor.ask_code("C-1002")
    assert (await bank.withheld())[-1] == "slowed"
    marco, right = await with_a_code(bank, "marco", "C-1002")
    assert await guess(marco, right) == "right"


async def test_right_codes_in_between_give_a_thief_of_the_handle_no_new_guesses(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    await bound_by_sms(bank, "giulia", "C-1001", slug)
    rule(bank, {"tries.bound": Rate(4, 30 * DAY), "sending.customer_pair": Rate(100, HOUR)})
    for left in (3, 2, 1, 0):
        thief, right = await with_a_code(bank, "giulia")
        assert await guess(thief, wrong(right)) == "code_wrong"
        if left:
            assert (await bound_by_sms(bank, "giulia", "C-1001", slug)).level == Level.L2
    owner = await at_the_customer_step(bank, "giulia")
    await owner.ask_code("C-1001")
    assert await bank.withheld() == ["closed"]
    assert (await bound_by_identity(bank, "giulia", "C-1001", slug)).level == Level.L3


async def test_a_bound_handles_guesses_close_codes_for_no_other_handle_that_is_not_bound(bank: Bank) -> None:
    await bound_by_sms(bank, "giulia", "C-1001")
    rule(bank, {"tries.bound": Rate(1, 30 * DAY)})
    thief, right = await with_a_code(bank, "giulia")
    assert await guess(thief, wrong(right)) == "code_wrong"
    newcomer, right = await with_a_code(bank, "giulias-other-handle")
    assert await guess(newcomer, right) == "right"


async def test_codes_by_direct_message_close_for_an_account_after_its_wrong_ones_and_signing_in_stays(
    bank: Bank,
) -> None:
    rule(bank, {"tries.message": Rate(3, DAY)})
    slug = await bank.complaint("giulia")
    stranger = await bank.visit(slug)
    await stranger.ask_direct_message()
    for _ in range(3):
        with pytest.raises(CodeWrong):
            await stranger.type_handle_code(wrong(code_in(bank.messages.sent[-1][1])))
    sent = len(bank.messages.sent)
    owner = await bank.visit(slug)
    await owner.ask_direct_message()
    assert (len(bank.messages.sent), await bank.withheld()) == (sent, ["closed"])
    await owner.sign_in()
    other = await bank.visit(await bank.complaint("marco"))
    await other.ask_direct_message("@marco")
    await other.type_handle_code(code_in(bank.messages.sent[-1][1]))


async def test_guesses_at_messages_that_were_never_sent_count_against_nobody(bank: Bank) -> None:
    rule(bank, {"tries.message": Rate(2, DAY)})
    slug = await bank.complaint("giulia")
    for _ in range(3):
        stranger = await bank.visit(slug)
        await stranger.ask_direct_message("@somebody-else")
        with pytest.raises(CodeWrong):
            await stranger.type_handle_code("00000000")
    owner = await bank.visit(slug)
    await owner.ask_direct_message()
    await owner.type_handle_code(code_in(bank.messages.sent[-1][1]))


async def test_a_bound_pair_walks_as_many_steps_as_any_other(bank: Bank) -> None:
    """Or time would tell the thief of a handle whose it is."""
    async with AsyncSession(bank.services.write_engine, info={"services": bank.services}) as db:
        found = [
            [one.rate for one in await guess_budgets._budgets(db, Guess(b"h", b"c", HOME, bound=bound))]
            for bound in (False, True)
        ]
        keys = {
            bound: {one.key for one in await guess_budgets._budgets(db, Guess(b"h", b"c", HOME, bound=bound))}
            for bound in (False, True)
        }
    assert len(found[0]) == len(found[1]) == len(keys[True]) == 4
    assert keys[True].isdisjoint(keys[False])
