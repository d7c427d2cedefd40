"""Counters of guesses under two hands at once, step by step: no guess is lost, and none passes a full counter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, challenges, customer_proof
from app.binding.errors import CodeWrong
from app.binding.models import Challenge
from app.database import transaction
from app.errors import RiserboError
from tests.app.binding.bank import Bank, Visitor, last_code, wrong
from tests.app.binding.outside import HOME

WHILE_BLOCKED = 0.3


async def asked(bank: Bank) -> Challenge:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    await visitor.ask_code()
    found: Challenge = (await bank.all(Challenge))[0]
    return found


@asynccontextmanager
async def a_try(bank: Bank, of: Challenge) -> AsyncIterator[tuple[AsyncSession, Challenge]]:
    """A transaction that has read the challenge, and nothing more."""
    async with transaction(bank.services) as db:
        yield db, await db.get_one(Challenge, of.id)


async def tries(bank: Bank) -> int:
    found: list[Challenge] = await bank.all(Challenge)
    return found[0].tries


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_try_that_read_the_counter_before_another_was_committed_counts_too(bank: Bank) -> None:
    """SQLite has one writer; here both have read 0 before either writes."""
    challenge = await asked(bank)
    async with a_try(bank, challenge) as (late_db, late):
        async with a_try(bank, challenge) as (early_db, early):
            await challenges.count_try(early_db, early, bank.clock())
            waiting = asyncio.create_task(challenges.count_try(late_db, late, bank.clock()))
            done, _ = await asyncio.wait([waiting], timeout=WHILE_BLOCKED)
            assert not done, "the second try did not wait for the first"
        counted = await asyncio.wait_for(waiting, 10)
        assert counted.tries == 2
    assert await tries(bank) == 2


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_of_two_tries_at_once_only_one_is_the_last(bank: Bank) -> None:
    challenge = await asked(bank)
    for _ in range(bank.services.policy.tries.per_code - 1):
        async with a_try(bank, challenge) as (db, row):
            await challenges.count_try(db, row, bank.clock())
    async with a_try(bank, challenge) as (late_db, late):
        async with a_try(bank, challenge) as (early_db, early):
            await challenges.count_try(early_db, early, bank.clock())
            waiting = asyncio.create_task(challenges.count_try(late_db, late, bank.clock()))
            await asyncio.wait([waiting], timeout=WHILE_BLOCKED)
        with pytest.raises(CodeWrong):
            await asyncio.wait_for(waiting, 10)
    assert await tries(bank) == bank.services.policy.tries.per_code


async def type_code(bank: Bank, visitor: Visitor, code: str, weighed: asyncio.Event, go_on: asyncio.Event) -> str:
    """What a typed code comes to; its transaction stays open between the verdict and `go_on`."""
    try:
        async with transaction(bank.services) as db:
            attempt = await attempts.of_session(db, visitor.session_id, bank.clock(), slug=visitor.slug)
            try:
                await customer_proof.check(db, attempt, code, HOME, bank.clock())
            finally:
                weighed.set()
                await go_on.wait()
    except RiserboError as refusal:
        return refusal.code
    return "right"


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_the_tenth_wrong_code_of_a_day_closes_what_is_under_way_at_the_same_moment(bank: Bank) -> None:
    """Strangers with handles of their own and one customer: a right code comes while the tenth wrong one is weighed."""
    strangers = []
    for name, guesses in (("mallory", 5), ("eve", 3), ("trudy", 1)):
        visitor = await bank.visit(await bank.complaint(name))
        await visitor.sign_in(name)
        await visitor.ask_code("C-1001")
        strangers.append((visitor, last_code(bank)))
        for _ in range(guesses):
            with pytest.raises(RiserboError):
                await visitor.type_code(wrong(last_code(bank)))
    (eve, eves), (trudy, right) = strangers[1:]
    weighed, go_on, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
    gone.set()
    tenth = asyncio.create_task(type_code(bank, eve, wrong(eves), weighed, go_on))
    await asyncio.wait_for(weighed.wait(), 10)
    late = asyncio.create_task(type_code(bank, trudy, right, asyncio.Event(), gone))
    done, _ = await asyncio.wait([late], timeout=WHILE_BLOCKED)
    go_on.set()
    assert [*await asyncio.wait_for(asyncio.gather(tenth, late), 10)] == ["code_wrong"] * 2
    assert not done, "the right code did not wait for the wrong one"
