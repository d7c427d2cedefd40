"""Codes by direct message: to the right account only, few, short-lived, and of no use to who guesses."""

from __future__ import annotations

import pytest

from app.binding import handle_proof
from app.binding.errors import (
    CodeWrong,
    EnoughCodes,
    OutOfStep,
)
from app.binding.models import Challenge
from app.binding.rules import State
from app.channels.ports import ChannelUnavailable, DirectMessageRefused, RefusalReason
from tests.app.binding.bank import Bank, code_in, wrong
from tests.app.binding.planting import plant


async def test_no_code_goes_to_an_account_that_is_not_the_cases_own(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint("giulia"))
    await visitor.ask_direct_message("@mallory")
    assert bank.messages.sent == []
    assert await bank.withheld() == ["not_addressed"]


async def test_a_code_that_was_never_sent_is_wrong_even_when_guessed_right(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint("giulia"))
    await visitor.ask_direct_message("@mallory")
    challenge: Challenge = (await bank.all(Challenge))[0]
    guessed = await plant(bank, challenge)
    with pytest.raises(CodeWrong):
        await visitor.type_handle_code(guessed)
    assert await visitor.state() == State.HANDLE_PENDING


async def test_five_wrong_codes_use_a_challenge_up(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    right = code_in(bank.messages.sent[-1][1])
    for _ in range(5):
        with pytest.raises(CodeWrong):
            await visitor.type_handle_code(wrong(right))
    with pytest.raises(CodeWrong):
        await visitor.type_handle_code(right)
    tries = [leaf["data"]["tries"] for leaf in await bank.leaves("code.refused")]
    assert tries == [1, 2, 3, 4, 5]


async def test_a_used_handle_code_is_refused(bank: Bank) -> None:
    slug = await bank.complaint()
    first = await bank.visit(slug)
    await first.ask_direct_message()
    code = code_in(bank.messages.sent[-1][1])
    await first.type_handle_code(code)
    with pytest.raises(OutOfStep):
        await first.type_handle_code(code)
    second = await bank.visit(slug)
    await second.ask_direct_message()
    with pytest.raises(CodeWrong):
        await second.type_handle_code(code)


async def test_a_new_code_puts_the_old_one_out_of_use(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    old = code_in(bank.messages.sent[-1][1])
    bank.clock.pass_by(minutes=1)
    await handle_proof.resend(bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug)
    await bank.work()
    with pytest.raises(CodeWrong):
        await visitor.type_handle_code(old)
    await visitor.type_handle_code(code_in(bank.messages.sent[-1][1]))


async def test_a_handle_code_older_than_ten_minutes_is_wrong(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    bank.clock.pass_by(minutes=10)
    with pytest.raises(CodeWrong):
        await visitor.type_handle_code(code_in(bank.messages.sent[-1][1]))


async def test_one_attempt_may_ask_for_three_codes(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    for _ in range(3):
        await visitor.ask_direct_message("@mallory")
        bank.clock.pass_by(minutes=2)
    with pytest.raises(EnoughCodes):
        await visitor.ask_direct_message("@giulia")
    await visitor.sign_in()


async def test_an_account_gets_three_codes_an_hour_and_the_page_never_says_so(bank: Bank) -> None:
    slug = await bank.complaint()
    for number in range(5):
        await (await bank.visit(slug)).ask_direct_message(network=f"198.51.{number}.0/24")
    assert len(bank.messages.sent) == 3
    assert await bank.withheld() == ["rate", "rate"]
    bank.clock.pass_by(hours=1)
    await (await bank.visit(slug)).ask_direct_message()
    assert len(bank.messages.sent) == 4


async def test_naming_wrong_accounts_uses_up_nobodys_codes(bank: Bank) -> None:
    slug = await bank.complaint()
    for _ in range(8):
        await (await bank.visit(slug)).ask_direct_message("@mallory")
    await (await bank.visit(slug)).ask_direct_message("@giulia")
    assert len(bank.messages.sent) == 1


async def test_a_message_that_the_network_refuses_leaves_no_code_behind(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    bank.messages.fault = DirectMessageRefused(RefusalReason.CLOSED)
    await visitor.ask_direct_message()
    assert await bank.withheld() == ["refused_by_network"]
    challenge: Challenge = (await bank.all(Challenge))[0]
    assert challenge.sent_at is None
    with pytest.raises(CodeWrong):
        await visitor.type_handle_code(await plant(bank, challenge))


async def test_a_retry_sends_the_same_code_again_under_the_same_key(bank: Bank) -> None:
    from app.notifications.service import claim

    visitor = await bank.visit(await bank.complaint())
    bank.messages.fault = ChannelUnavailable("down")
    with pytest.raises(ChannelUnavailable):
        await visitor.ask_direct_message()
    bank.messages.fault = None
    bank.clock.pass_by(seconds=61)
    for work in await claim(bank.services):
        await bank.handle(work)
    assert len(bank.messages.sent) == 1
    await visitor.type_handle_code(code_in(bank.messages.sent[0][1]))
