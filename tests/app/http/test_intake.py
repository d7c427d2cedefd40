"""Heads that wait for a turn of the event loop: all are read once and in order, and few of them in one busy turn."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter

from app.http.intake import SLICE, Intake


def spin(seconds: float) -> None:
    """Hold the loop."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


async def test_pieces_wait_while_somebody_is_served_and_are_read_in_order_a_few_a_turn() -> None:
    seen: list[tuple[int, bytes]] = []
    intake = Intake(asyncio.get_running_loop(), lambda: True)

    def read(number: int, data: bytes) -> None:
        seen.append((number, data))
        spin(SLICE)

    readers = [partial(read, number) for number in range(5)]
    for number, one in enumerate(readers):
        assert intake.take(one, b"a%d" % number)
    assert intake.take(readers[3], b"+")
    assert not seen
    assert readers[4] in intake
    for turn in range(1, 6):
        await asyncio.sleep(0)
        assert len(seen) == turn
    assert seen == [(0, b"a0"), (1, b"a1"), (2, b"a2"), (3, b"a3+"), (4, b"a4")]
    assert not len(intake)
    assert readers[4] not in intake


async def test_where_nobody_is_served_a_piece_is_read_at_once_but_not_before_those_that_wait() -> None:
    busy = False
    intake = Intake(asyncio.get_running_loop(), lambda: busy)
    seen: list[bytes] = []
    assert not intake.take(seen.append, b"1")
    busy = True
    assert intake.take(seen.append, b"2")
    busy = False
    assert intake.take(lambda data: seen.append(data), b"3")
    await asyncio.sleep(0)
    assert seen == [b"2", b"3"]


async def test_a_connection_that_is_gone_is_not_read_and_a_broken_one_holds_up_nobody() -> None:
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
    intake = Intake(loop, lambda: True)
    seen: list[bytes] = []

    def broken(data: bytes) -> None:
        raise ValueError(data)

    def gone(data: bytes) -> None:
        raise AssertionError(data)

    for read in (broken, gone, seen.append):
        intake.take(read, b"x")
    intake.drop(gone)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [b"x"]
    assert [type(fault) for fault in faults] == [ValueError]
