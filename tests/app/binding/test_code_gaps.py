"""Between two codes to the same place lies a wait that doubles; another place need not wait, and nobody learns more."""

from __future__ import annotations

import pytest

from app.binding import customer_proof, handle_proof, unlocking
from app.binding.errors import CodeTooSoon, EnoughCodes
from tests.app.binding.bank import HOME, Bank, Visitor, bound_by_sms, code_in
from tests.app.binding.test_rooms import idle_until_locked

UNKNOWN = "C-9999"


async def at_the_customer_step(bank: Bank) -> Visitor:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    return visitor


async def again(visitor: Visitor) -> None:
    await customer_proof.resend_customer_code(
        visitor.bank.services,
        visitor.bank.ports,
        session_id=visitor.session_id,
        slug=visitor.slug,
        network=HOME,
    )


@pytest.mark.parametrize("identifier", ["C-1001", UNKNOWN])
async def test_a_second_code_waits_a_minute_and_a_third_two_known_or_not(bank: Bank, identifier: str) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code(identifier)
    for minutes in (1, 2):
        bank.clock.pass_by(minutes=minutes, seconds=-1)
        with pytest.raises(CodeTooSoon) as refused:
            await again(visitor)
        assert refused.value.retry_after == 1
        bank.clock.pass_by(seconds=1)
        await again(visitor)
    bank.clock.pass_by(minutes=4)
    with pytest.raises(EnoughCodes):
        await again(visitor)


async def test_a_refused_wish_leaves_the_code_that_was_sent_in_use(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code()
    code = bank.phone.sms[-1][1]
    with pytest.raises(CodeTooSoon):
        await again(visitor)
    await visitor.type_code(code_in(code))


async def test_another_channel_or_a_corrected_number_need_not_wait(bank: Bank) -> None:
    visitor = await at_the_customer_step(bank)
    await visitor.ask_code("C-1001", method="sms")
    await visitor.ask_code("C-1001", method="email")
    await visitor.ask_code("C-1002", method="sms")


async def test_codes_by_direct_message_wait_for_the_same_account_only(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message("@giulia_sbagliata")
    await visitor.ask_direct_message("@giulia")
    with pytest.raises(CodeTooSoon):
        await handle_proof.resend(bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug)


async def test_codes_that_unlock_wait_too(bank: Bank) -> None:
    bound = await bound_by_sms(bank)
    await idle_until_locked(bank, bound)

    async def ask() -> None:
        await unlocking.request_unlock_code(
            bank.services, bank.ports, session_id=bound.session_id, method="sms", network=HOME
        )

    await ask()
    with pytest.raises(CodeTooSoon):
        await ask()
    bank.clock.pass_by(minutes=1)
    await ask()
