"""Rates are exact over all processes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.database import reading, transaction
from app.limits import rates
from app.limits.models import Rate
from tests.support.house import House

HOUR = timedelta(hours=1)


async def take(house: House, key: bytes = b"k", limit: int = 3) -> bool:
    async with transaction(house.services) as db:
        return await rates.take(db, key, limit, HOUR, house.clock())


async def test_of_many_at_once_exactly_as_many_as_allowed_pass(house: House) -> None:
    taken = await asyncio.gather(*(take(house, limit=5) for _ in range(30)))
    assert taken.count(True) == 5


async def test_one_comes_back_when_its_share_of_the_time_is_over(house: House) -> None:
    assert [await take(house) for _ in range(4)] == [True, True, True, False]
    house.clock.pass_by(minutes=19, seconds=59)
    assert not await take(house)
    house.clock.pass_by(seconds=1)
    assert [await take(house) for _ in range(2)] == [True, False]
    house.clock.pass_by(hours=5)
    assert [await take(house) for _ in range(4)] == [True, True, True, False]


async def test_a_refused_act_costs_nothing(house: House) -> None:
    for _ in range(3):
        await take(house)
    for _ in range(20):
        assert not await take(house)
    house.clock.pass_by(minutes=20)
    assert await take(house)


async def test_keys_do_not_share_and_a_rollback_gives_back(house: House) -> None:
    for _ in range(3):
        await take(house)
    assert await take(house, b"other")
    try:
        async with transaction(house.services) as db:
            assert await rates.take(db, b"third", 1, HOUR, house.clock())
            raise RuntimeError
    except RuntimeError:
        assert await take(house, b"third", limit=1)


async def test_what_is_given_back_can_be_taken_again(house: House) -> None:
    assert [await take(house) for _ in range(4)] == [True, True, True, False]
    async with transaction(house.services) as db:
        await rates.give_back(db, b"k", 3, HOUR)
        await rates.give_back(db, b"never taken", 3, HOUR)
    assert [await take(house) for _ in range(2)] == [True, False]


async def test_a_look_says_what_taking_would_and_takes_nothing(house: House) -> None:
    for expected in (True, True, True, False, False):
        async with reading(house.services) as db:
            looks = [await rates.is_spent(db, b"k", 3, HOUR, house.clock()) for _ in range(2)]
        assert looks == [not expected] * 2
        assert await take(house) is expected
    house.clock.pass_by(minutes=19, seconds=59)
    async with reading(house.services) as db:
        assert await rates.is_spent(db, b"k", 3, HOUR, house.clock())
        assert not await rates.is_spent(db, b"k", 3, HOUR, house.clock() + timedelta(seconds=1))
        # stored by a clock that was ahead: taking begins anew
        assert not await rates.is_spent(db, b"k", 3, HOUR, house.clock() - timedelta(days=1))


async def test_a_rate_that_is_full_again_is_forgotten_and_no_other(house: House) -> None:
    assert [await take(house) for _ in range(3)] == [True] * 3
    house.clock.pass_by(minutes=20)
    await take(house, b"other")
    house.clock.pass_by(minutes=20)
    await house.act(lambda db: rates.forget_old(db, house.clock()))
    assert [row.key_hash for row in await house.all(Rate)] == [b"k"]
    assert [await take(house, b"other") for _ in range(4)] == [True, True, True, False]
    house.clock.pass_by(hours=3)
    await house.act(lambda db: rates.forget_old(db, house.clock()))
    assert await house.all(Rate) == []
