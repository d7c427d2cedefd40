"""Counters that bound guessing: exact under parallel load, and never free again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import reading, transaction
from app.limits import guesses
from app.limits.guesses import GuessState
from app.limits.models import GuessCounter
from app.policy import GuessPolicy
from tests.support.house import ON_POSTGRESQL, House

KEY = b"k" * 32
WHILE_BLOCKED = 0.3
POLICY = GuessPolicy(in_a_row=5, first_lock=timedelta(minutes=15), longest_lock=timedelta(hours=24))


async def wrong(house: House, key: bytes = KEY, policy: GuessPolicy = POLICY) -> GuessState:
    async with transaction(house.services) as db:
        return await guesses.count_wrong(db, key, policy, house.clock())


async def state(house: House, key: bytes = KEY) -> GuessState:
    async with reading(house.services) as db:
        return await guesses.state_of(db, key, house.clock())


async def locked_for(house: House) -> timedelta | None:
    until = (await state(house)).locked_until
    return until - house.clock() if until is not None and until > house.clock() else None


async def test_parallel_wrong_guesses_are_all_counted(house: House) -> None:
    policy = GuessPolicy(in_a_row=1000)
    states = await asyncio.gather(*(wrong(house, policy=policy) for _ in range(40)))
    assert sorted(one.in_a_row for one in states) == list(range(1, 41))
    assert (await state(house)).today == 40


async def test_the_fifth_in_a_row_locks_and_each_lock_doubles_up_to_the_longest(house: House) -> None:
    found = []
    for _ in range(9):
        for _ in range(4):
            assert not (await wrong(house)).is_locked(house.clock())
        assert (await wrong(house)).is_locked(house.clock())
        pause = await locked_for(house)
        assert pause is not None
        found.append(pause)
        house.clock.now += pause
        assert not (await state(house)).is_locked(house.clock())
    minutes = [15, 30, 60, 120, 240, 480, 960, 1440, 1440]
    assert found == [timedelta(minutes=one) for one in minutes]


async def test_a_lock_that_has_doubled_a_hundred_times_still_counts(house: House) -> None:
    policy = GuessPolicy(in_a_row=1, first_lock=timedelta(minutes=15), longest_lock=timedelta(hours=24))
    for _ in range(100):
        last = await wrong(house, policy=policy)
    assert last.locked_until == house.clock() + timedelta(hours=24)
    assert last.today == 100


async def test_a_right_answer_ends_the_row_but_not_the_day(house: House) -> None:
    for _ in range(4):
        await wrong(house)
    async with transaction(house.services) as db:
        await guesses.forgive(db, KEY, house.clock())
        await guesses.forgive(db, b"unknown", house.clock())
    after = await wrong(house)
    assert (after.in_a_row, after.today, after.locked_until) == (1, 5, None)


async def test_the_days_count_begins_anew_at_midnight(house: House) -> None:
    for _ in range(3):
        await wrong(house)
    house.clock.pass_by(hours=6)
    assert (await state(house)).today == 0
    assert (await state(house)).in_a_row == 3
    assert (await wrong(house)).today == 1


async def test_one_keys_guesses_are_not_anothers(house: House) -> None:
    for _ in range(5):
        await wrong(house)
    other = await state(house, b"other")
    assert (other.in_a_row, other.today, other.locked_until) == (0, 0, None)
    assert not other.is_locked(house.clock())


async def test_a_lock_ends_at_its_moment(house: House) -> None:
    now = house.clock()
    assert GuessState(0, 5, now + timedelta(microseconds=1)).is_locked(now)
    assert not GuessState(0, 5, now).is_locked(now)


async def today(house: House, most: int, key: bytes = KEY) -> bool:
    async with transaction(house.services) as db:
        return await guesses.count_today(db, key, most, house.clock())


async def test_of_many_guesses_at_once_no_more_than_the_days_are_counted(house: House) -> None:
    taken = await asyncio.gather(*(today(house, 10) for _ in range(40)))
    assert taken.count(True) == 10
    assert (await state(house)).today == 10
    assert not await today(house, 10)


@ON_POSTGRESQL
async def test_a_guess_waits_for_the_one_before_until_that_is_committed(house: House) -> None:
    """SQLite has one writer; here the last place of the day is free for both until one of them is committed."""
    async with transaction(house.services) as db:
        assert await guesses.count_today(db, KEY, 1, house.clock())
        late = asyncio.create_task(today(house, 1))
        done, _ = await asyncio.wait([late], timeout=WHILE_BLOCKED)
        assert not done
    assert not await asyncio.wait_for(late, 10)


@ON_POSTGRESQL
async def test_a_guess_that_was_rolled_back_leaves_its_place_to_the_one_that_waits(house: House) -> None:
    async with AsyncSession(house.services.write_engine, info={"services": house.services}) as db:
        assert await guesses.count_today(db, KEY, 1, house.clock())
        late = asyncio.create_task(today(house, 1))
        await asyncio.wait([late], timeout=WHILE_BLOCKED)
        await db.rollback()
    assert await asyncio.wait_for(late, 10)


async def test_a_right_guess_is_taken_back_and_a_new_day_begins_at_one(house: House) -> None:
    assert [await today(house, 2) for _ in range(3)] == [True, True, False]
    async with transaction(house.services) as db:
        await guesses.take_back_today(db, KEY, house.clock())
        await guesses.take_back_today(db, b"never guessed", house.clock())
    assert [await today(house, 2) for _ in range(2)] == [True, False]
    house.clock.pass_by(days=1)
    async with transaction(house.services) as db:
        await guesses.take_back_today(db, KEY, house.clock())
    assert [await today(house, 2) for _ in range(3)] == [True, True, False]


async def test_a_days_guesses_change_no_row_and_no_lock(house: House) -> None:
    for _ in range(7):
        await wrong(house)
    before = await state(house)
    assert await today(house, 100)
    after = await state(house)
    assert (after.in_a_row, after.locks, after.locked_until) == (before.in_a_row, before.locks, before.locked_until)


async def test_counters_are_forgotten_a_month_after_the_last_guess_and_not_before(house: House) -> None:
    await wrong(house)
    house.clock.pass_by(days=15)
    await wrong(house, b"other")
    house.clock.pass_by(days=14, hours=23)
    await house.act(lambda db: guesses.forget_old(db, house.clock()))
    assert {row.key_hash for row in await house.all(GuessCounter)} == {KEY, b"other"}
    house.clock.pass_by(hours=2)
    await house.act(lambda db: guesses.forget_old(db, house.clock()))
    assert [row.key_hash for row in await house.all(GuessCounter)] == [b"other"]


@ON_POSTGRESQL
async def test_a_counter_in_use_is_not_forgotten_under_its_guess(house: House) -> None:
    await wrong(house)
    house.clock.pass_by(days=31)
    async with transaction(house.services) as db:
        assert (await guesses.count_wrong(db, KEY, POLICY, house.clock())).in_a_row == 2
        await asyncio.wait_for(house.act(lambda other: guesses.forget_old(other, house.clock())), 10)
    assert (await state(house)).in_a_row == 2
