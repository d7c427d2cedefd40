"""SIGTERM: streams end with a hint where to go on, what is under way is answered, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.processes.town import Listener, Town, started

STOPS = 3
SOON = 2.0
"""One second, and what a loaded machine adds."""


async def test_a_stopping_server_sends_its_streams_to_the_next_one_without_gap_or_repeat(place: Town) -> None:
    await started(*place.servers, place.workers[0])
    room, other = place.ground.rooms[0], place.ground.rooms[1]
    crowd = place.crowd(*place.servers)
    crowd.start()
    seen: dict[str, list[int]] = {"customer": [], "staff": []}
    after = {"customer": 0, "staff": 0}
    try:
        for turn in range(STOPS):
            leaving = place.servers[turn % 2]
            readers = {
                "customer": place.listen(place.customer(leaving, room), after["customer"]),
                "staff": place.listen(place.agent(leaving, other), after["staff"]),
            }
            await crowd.work(40, 3)
            for reader in readers.values():
                await reader.until(lambda reader=reader: len(reader.numbers) > 2)  # type: ignore[misc]
            begun = time.monotonic()
            status = await asyncio.to_thread(leaving.stop, 30.0)
            assert status == 0, leaving.last_lines()
            for side, reader in readers.items():
                end = await reader.over()
                assert (end.name, end.data) == ("end", {"code": "closing"})
                assert end.retry is not None
                assert end.at - begun < SOON
                assert end.id == reader.numbers[-1]
                seen[side] += reader.numbers
                after[side] = end.id
            await started(leaving)
        await crowd.quiet()
        assert crowd.wrong == []
        await _catch_up(place, seen, after)
        await place.look()
    finally:
        await crowd.drop()


async def _catch_up(place: Town, seen: dict[str, list[int]], after: dict[str, int]) -> None:
    last = dict(place.rows("SELECT id::text, last_n FROM conversations"))
    here = place.servers[0]
    rooms = {"customer": place.ground.rooms[0], "staff": place.ground.rooms[1]}
    for side, room in rooms.items():
        spot = place.customer(here, room) if side == "customer" else place.agent(here, room)
        rest: Listener = place.listen(spot, after[side])
        goal = last[room.conversation_id]
        if goal > after[side]:
            await rest.until(lambda rest=rest, goal=goal: rest.numbers[-1:] == [goal])  # type: ignore[misc]
        numbers = seen[side] + rest.numbers
        assert numbers == list(range(numbers[0], goal + 1))


async def test_leases_are_closed_with_the_last_number_that_left(place: Town) -> None:
    here, _ = place.servers
    await started(here)
    room = place.ground.rooms[0]
    reader = place.listen(place.agent(here, room))
    await place.say(place.customer(here, room))
    await reader.until(lambda: len(reader.texts) == 1)
    assert await asyncio.to_thread(here.stop, 20.0) == 0
    await reader.over()
    [[seen, ended]] = place.rows("SELECT seen_n, ended_at IS NOT NULL FROM room_watches")
    assert (seen, ended) == (reader.numbers[-1], True)


async def test_a_second_signal_waits_for_nothing(place: Town) -> None:
    here, _ = place.servers
    await started(here)
    reader = place.listen(place.customer(here, place.ground.rooms[0]))
    await reader.until(lambda: bool(reader.events))
    here.send(signal.SIGTERM)
    here.send(signal.SIGTERM)
    begun = time.monotonic()
    await asyncio.to_thread(here.stop, 10.0)
    assert time.monotonic() - begun < 5
