"""Admission by places: they follow the loop, streams are counted apart, and what drips takes none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from statistics import median

import pytest

from app.http.crowding import FEW, LONGEST_WAIT, WAIT_OF_FEW
from tests.app.http.gated_bank import SMALL, Bank, answer, head, opened


async def test_staff_find_a_place_when_all_others_are_taken() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        for number in (1, 2):
            await bank.ask(token=f"customer-{number}")
        await bank.ask(token="staff-1")
        busy = [asyncio.create_task(bank.ask("/work", token=f"customer-{1 + n % 2}")) for n in range(14)]
        await asyncio.sleep(0.2)
        status, headers = await bank.ask(token="customer-1")
        assert (status, headers["retry-after"]) == (503, "2")
        assert (await bank.ask())[0] == 503
        assert (await bank.ask(token="staff-1"))[0] == 200
        bank.release.set()
        assert {status for status, _ in await asyncio.gather(*busy)} == {200}
        assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)


async def test_streams_are_counted_apart_and_by_client() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        async with bank.connection() as (first, one), bank.connection() as (second, two):
            for reader, writer in ((first, one), (second, two)):
                writer.write(head(path="/events", token="customer-1"))
                assert (await answer(reader))[0] == 200
            assert bank.gate.open_streams == 2
            assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)
            assert (await bank.ask("/room/events", token="customer-1"))[0] == 429
            assert (await bank.ask(token="customer-1"))[0] == 200
            async with bank.connection() as (third, three), bank.connection() as (fourth, four):
                for reader, writer in ((third, three), (fourth, four)):
                    writer.write(head(path="/events", token="staff-1"))
                    assert (await answer(reader))[0] == 200
                assert (await bank.ask("/events", token="staff-1"))[0] == 503
        bank.release.set()
        await asyncio.sleep(0.2)
        assert bank.gate.open_streams == 0
        assert not bank.gate._streams


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank:
        for _ in range(3):
            async with bank.connection() as (_, writer):
                writer.write(head(path="/work"))
                await asyncio.sleep(0.05)
        bank.release.set()
        await asyncio.sleep(0.1)
        assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)


async def test_a_body_that_drips_takes_no_place_and_nobody_waits_behind_it() -> None:
    async with opened(replace(SMALL, network_burst=1000)) as bank, AsyncExitStack() as stack:
        writers = []
        for number in range(40):
            _, writer = await stack.enter_async_context(bank.connection())
            writer.write(head("POST", body=b"x" * 5, address=f"198.51.{number}.1") + b"x")
            writers.append(writer)
        await asyncio.sleep(0.1)
        assert bank.seen == []
        assert (bank.gate.crowding.prompt, bank.gate.crowding.other) == (0, 0)
        assert (await bank.ask())[0] == 200
        writers[0].write(b"x" * 4)
        await asyncio.sleep(0.1)
        assert len(bank.seen) == 2


async def test_all_bodies_that_are_awaited_hold_only_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.admission.MOST_HELD", 20_000)
    async with opened(replace(SMALL, network_burst=1000, under_way=256)) as bank:
        async with AsyncExitStack() as stack:
            for number in range(40):
                _, writer = await stack.enter_async_context(bank.connection())
                writer.write(head("POST", body=b"x" * 2_000, address=f"198.51.{number}.1") + b"x" * 1_000)
            await asyncio.sleep(0.2)
            assert bank.gate.held == 20_000
            assert bank.seen
        await asyncio.sleep(0.1)
        assert bank.gate.held == 0
        status, _ = await bank.ask(method="POST", body=b"x" * 2_000)
        assert (status, bank.gate.held) == (200, 0)


async def test_a_request_with_a_long_body_begins_before_it_has_come() -> None:
    async with opened() as bank, bank.connection() as (reader, writer):
        writer.write(head("POST", body=b"x" * 100_000))
        assert (await answer(reader))[0] == 200


async def test_a_body_of_unknown_length_is_awaited_only_so_far() -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    async with opened() as bank, bank.connection() as (reader, writer):
        writer.write(head("POST", more="Transfer-Encoding: chunked") + chunk * 4)
        await asyncio.sleep(0.1)
        assert bank.seen == []
        writer.write(chunk)
        assert (await answer(reader))[0] == 200


async def test_in_a_crowd_prompt_clients_go_before_strangers_and_strangers_still_get_on() -> None:
    """Three rounds: a machine that has other work for one of them can make everything in it look slow."""
    # the budget of staff is large enough for it to stay more than half full
    limits = replace(SMALL, network_burst=100_000, network_per_second=100_000, under_way=256, staff_burst=400)
    times_as_long = []
    for _ in range(3):
        async with opened(limits) as bank:
            before = await spins(bank, 9)
            during, answers = await flooded(bank)
            after = await spins(bank, 9)
        assert answers[200] > 20
        assert answers[503] > 20
        assert set(answers) == {200, 503}
        times_as_long.append(median(during) / max(median(before), median(after)))
        # sixty of them at once would take sixty times as long
        if times_as_long[-1] < 30:
            return
    raise AssertionError(times_as_long)


@asynccontextmanager
async def slow_process() -> AsyncIterator[tuple[Bank, asyncio.Task[tuple[int, dict[str, str]]]]]:
    """One place is left, and somebody has it until the bank is released."""
    async with opened(replace(SMALL, network_burst=1000, under_way=256)) as bank:
        first = asyncio.create_task(bank.ask("/work"))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if bank.gate.crowding.other:
                break
        bank.gate.crowding._adjust = lambda *_: None  # type: ignore[method-assign]
        bank.gate.crowding.places = 1
        yield bank, first


async def test_few_strangers_of_a_slow_process_are_served_late_and_not_turned_away() -> None:
    """A small machine with one visitor who opens two tabs is no crowd."""
    async with slow_process() as (bank, first):
        tabs = [asyncio.create_task(bank.ask()) for _ in range(FEW)]
        await asyncio.sleep(10 * LONGEST_WAIT)
        assert not any(tab.done() for tab in tabs)
        bank.release.set()
        assert {status for status, _ in await asyncio.gather(first, *tabs)} == {200}


async def test_of_many_strangers_of_a_slow_process_all_but_few_are_turned_away_soon() -> None:
    async with slow_process() as (bank, first):
        many = [asyncio.create_task(bank.ask()) for _ in range(FEW + 6)]
        done, waiting = await asyncio.wait(many, timeout=WAIT_OF_FEW / 2)
        assert [task.result()[0] for task in done] == [503] * 6
        bank.release.set()
        assert {status for status, _ in await asyncio.gather(first, *waiting)} == {200}


async def spins(bank: Bank, count: int) -> list[float]:
    """Seconds of each request of a prompt client, one after the other."""
    loop, spent = asyncio.get_running_loop(), []
    for _ in range(count):
        begun = loop.time()
        status, _ = await bank.ask("/spin", token="staff-1")
        assert status == 200
        spent.append(loop.time() - begun)
    return spent


async def flooded(bank: Bank) -> tuple[list[float], Counter[int]]:
    """The same while sixty strangers ask, and what those are answered."""
    loop = asyncio.get_running_loop()
    stop, answers = loop.time() + 2.5, Counter[int]()

    async def stranger(number: int) -> None:
        while loop.time() < stop:
            status, _ = await bank.ask("/spin", address=f"198.51.{number}.1")
            answers[status] += 1
            if status == 503:
                await asyncio.sleep(0.3)

    flood = asyncio.gather(*(stranger(number) for number in range(60)))
    spent = []
    while loop.time() < stop:
        spent += await spins(bank, 1)
        await asyncio.sleep(0.1)
    await flood
    return spent, answers


async def test_after_a_refusal_that_came_late_whoever_does_not_wait_is_not_read_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvicorn reads on after each answer, and the server would then refuse as fast as it is asked."""
    async with opened(replace(SMALL, network_burst=1000)) as bank, bank.connection() as (reader, writer):
        monkeypatch.setattr(bank.gate.crowding, "enter_other", lambda _: False)
        monkeypatch.setattr(bank.gate, "rest_needed", lambda *_: 0.4)
        loop, spent = asyncio.get_running_loop(), []
        for _ in range(3):
            begun = loop.time()
            writer.write(head())
            assert (await answer(reader))[0] == 503
            spent.append(loop.time() - begun)
        assert spent[1] < 0.35
        assert spent[2] >= 0.35
