"""The counter of a code's tries under two hands at once, step by step: no try is lost, the last one is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import challenges, rules
from app.binding.errors import CodeWrong
from app.binding.models import Challenge
from app.database import transaction
from tests.app.binding.bank import Bank

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
    for _ in range(rules.TRIES_PER_CODE - 1):
        async with a_try(bank, challenge) as (db, row):
            await challenges.count_try(db, row, bank.clock())
    async with a_try(bank, challenge) as (late_db, late):
        async with a_try(bank, challenge) as (early_db, early):
            await challenges.count_try(early_db, early, bank.clock())
            waiting = asyncio.create_task(challenges.count_try(late_db, late, bank.clock()))
            await asyncio.wait([waiting], timeout=WHILE_BLOCKED)
        with pytest.raises(CodeWrong):
            await asyncio.wait_for(waiting, 10)
    assert await tries(bank) == rules.TRIES_PER_CODE
