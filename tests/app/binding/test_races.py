"""Many at once: exactly one right code counts, one pair has one binding, one redirect is used once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

from app.binding.models import Binding, Challenge
from app.binding.rules import State
from app.conversations.models import Conversation
from app.errors import RiserboError
from security import totp
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_sms, code_in, customer_of, last_code, wrong

MANY = 50


async def outcomes(act: Callable[[], Awaitable[object]], times: int = MANY) -> list[str]:
    """What each of many simultaneous acts came to: `done`, or the code of its refusal; anything else is raised."""

    async def once() -> str:
        try:
            await act()
        except RiserboError as refusal:
            return refusal.code
        return "done"

    return sorted(await asyncio.gather(*(once() for _ in range(times))))


async def test_of_fifty_right_customer_codes_at_once_one_counts(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code()
    code = last_code(bank)
    assert (await outcomes(lambda: visitor.type_code(code))).count("done") == 1
    assert len(await bank.leaves("customer.proved")) == 1
    assert await visitor.state() == State.CUSTOMER_OK


async def test_of_fifty_right_handle_codes_at_once_one_counts(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.ask_direct_message()
    code = code_in(bank.messages.sent[-1][1])
    assert (await outcomes(lambda: visitor.type_handle_code(code))).count("done") == 1
    assert len(await bank.leaves("handle.proved")) == 1


async def test_fifty_wrong_codes_at_once_are_five_guesses(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code()
    guess = wrong(last_code(bank))
    seen = await outcomes(lambda: visitor.type_code(guess))
    assert "done" not in seen
    assert len(await bank.leaves("code.refused")) == 5
    challenge: Challenge = (await bank.all(Challenge))[0]
    assert challenge.tries == 5


async def test_of_many_equal_authenticator_codes_in_many_browsers_one_counts(bank: Bank) -> None:
    from app.binding import authenticator

    slug = await bank.complaint()
    bound = await bound_by_sms(bank, slug=slug)
    offer = await authenticator.offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    secret = Secret(base64.b32decode(offer.secret))
    await authenticator.add_authenticator(
        bank.services, customer=customer_of(bound), code=totp.code_at(secret, bank.clock())
    )
    bank.clock.pass_by(seconds=60)
    visitors = [await bank.visit(slug) for _ in range(4)]
    for visitor in visitors:
        await visitor.sign_in()
        await visitor.ask_code("C-1001", "totp")
    code = totp.code_at(secret, bank.clock())
    waiting = iter(visitors)
    seen = await outcomes(lambda: next(waiting).type_code(code), times=4)
    assert seen.count("done") == 1
    assert len(await bank.leaves("authenticator.used")) == 1


async def test_of_many_callbacks_with_one_state_one_is_taken(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    leaving = await visitor.leave_for_square()
    assert (await outcomes(lambda: visitor.come_back(leaving), times=10)).count("done") == 1
    assert len(bank.sign_in.finished) == 1


async def test_one_confirmation_of_many_opens_one_room(bank: Bank) -> None:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.identify()
    assert (await outcomes(visitor.confirm, times=10)).count("done") == 1
    assert (len(await bank.all(Binding)), len(await bank.all(Conversation))) == (1, 1)


async def test_two_browsers_that_confirm_the_same_pair_at_once_make_one_binding(bank: Bank) -> None:
    slug = await bank.complaint()
    visitors = [await bank.visit(slug) for _ in range(6)]
    for visitor in visitors:
        await visitor.sign_in()
        await visitor.identify()
    waiting = iter(visitors)
    seen = await outcomes(lambda: next(waiting).confirm(), times=6)
    assert seen.count("done") == 1
    assert set(seen) <= {"done", "attempt_over", "out_of_step"}
    assert (len(await bank.all(Binding)), len(await bank.all(Conversation))) == (1, 1)
    assert sorted([await visitor.state() for visitor in visitors]) == [State.BOUND] + [State.CANCELLED] * 5


async def test_parallel_attempts_of_strangers_block_nobody(bank: Bank) -> None:
    slug = await bank.complaint("giulia")
    strangers = [await bank.visit(slug) for _ in range(5)]
    for stranger in strangers:
        await stranger.leave_for_square("@giulia")
    owner = await bank.visit(slug)
    await owner.sign_in()
    await owner.identify()
    await owner.confirm()
    assert [await stranger.state() for stranger in strangers] == [State.HANDLE_PENDING] * 5
