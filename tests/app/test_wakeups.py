"""Wake-ups only say "look again", and stopping ends every wait at once."""

from __future__ import annotations

import asyncio

import pytest

from app.wakeups import Wakeups


async def test_a_listener_is_woken_by_its_topic_only() -> None:
    wakeups = Wakeups()
    async with wakeups.listen("a") as one, wakeups.listen("b") as other:
        wakeups.notify("a")
        assert one.is_set()
        assert not other.is_set()
    wakeups.notify("a")


async def test_a_topic_without_listeners_leaves_nothing_behind() -> None:
    wakeups = Wakeups()
    for number in range(100):
        wakeups.notify(f"room:{number}")
        async with wakeups.listen(f"room:{number}"), wakeups.listen(f"room:{number}"):
            pass
    assert len(wakeups._listeners) == 0


async def test_a_wake_up_between_clearing_and_waiting_is_not_lost() -> None:
    wakeups = Wakeups()
    async with wakeups.listen("a") as woken:
        woken.clear()
        wakeups.notify("a")
        await asyncio.wait_for(wakeups.wait(woken, 60), 1)


async def test_waiting_ends_by_time_by_stopping_and_by_cancellation() -> None:
    wakeups = Wakeups()
    async with wakeups.listen("a") as woken:
        await asyncio.wait_for(wakeups.wait(woken, 0.01), 1)
        cancelled = asyncio.ensure_future(wakeups.wait(woken, 60))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert isinstance((await asyncio.gather(cancelled, return_exceptions=True))[0], asyncio.CancelledError)
        wakeups.stopping.set()
        await asyncio.wait_for(wakeups.wait(woken, 60), 1)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancel_at_any_turn_of_a_wake_up_ends_the_loop_that_waits(turns: int) -> None:
    wakeups, woken = Wakeups(), asyncio.Event()

    async def forever() -> None:
        while True:
            woken.clear()
            await wakeups.wait(woken, 60)

    loop = asyncio.create_task(forever())
    for _ in range(3):
        await asyncio.sleep(0)
    woken.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    loop.cancel()
    await asyncio.wait([loop], timeout=2)
    assert loop.cancelled()
