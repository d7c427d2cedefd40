"""Two servers and two workers on one PostgreSQL: either door, no sticky sessions, no doubles, one killed at any time."""

from __future__ import annotations

import asyncio
import time

from tests.processes.town import BRIDGES, Town, started

POLL = 0.8
"""Seconds between two looks of a stream that nobody wakes."""


async def test_what_is_written_at_one_server_reaches_the_streams_at_the_other_by_wake_up(place: Town) -> None:
    here, there = place.servers
    await started(here, there)
    await place.bridges(4)
    room = place.ground.rooms[0]
    reader, agent = place.listen(place.customer(there, room)), place.listen(place.agent(there, room))
    for listener in (reader, agent):
        await listener.until(lambda listener=listener: bool(listener.events))  # type: ignore[misc]
    sent: dict[str, float] = {}
    for number in range(20):
        writer = place.agent(here, room) if number % 2 else place.customer(here, room)
        sent[await place.say(writer)] = time.monotonic()
        await asyncio.sleep(0.13)
    for listener in (reader, agent):
        await listener.until(lambda listener=listener: sent.keys() <= listener.texts.keys())  # type: ignore[misc]
        assert listener.numbers == sorted(set(listener.numbers))
        late = [listener.texts[text] - at for text, at in sent.items()]
        # By the poll alone a message waits 0.4 s on average, and no more than six of twenty come in a quarter of one.
        assert sorted(late)[len(late) // 2] < POLL / 3, late
        assert max(late) < 5, late


async def test_delivery_goes_on_when_the_connections_that_carry_wake_ups_are_cut(place: Town) -> None:
    here, there = place.servers
    await started(here, there)
    room = place.ground.rooms[0]
    reader = place.listen(place.customer(there, room))
    await reader.until(lambda: bool(reader.events))
    for _ in range(3):
        before = await place.bridges(4)
        cut = await asyncio.to_thread(
            place.rows, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {BRIDGES}"
        )
        assert len(cut) >= 4
        text = await place.say(place.agent(here, room))
        await reader.until(lambda text=text: text in reader.texts)  # type: ignore[misc]
        assert not before & await place.bridges(4)
    text = await place.say(place.agent(here, room))
    await reader.until(lambda: text in reader.texts)
    assert reader.numbers == sorted(set(reader.numbers))


async def test_one_process_may_be_killed_at_any_time(place: Town) -> None:
    await started(*place.servers, *place.workers)
    readers = [place.listen(place.customer(place.servers[1], room)) for room in place.ground.rooms]
    crowd = place.crowd(*place.servers)
    crowd.start()
    try:
        for victim in (place.servers[0], place.workers[0], place.servers[0], place.workers[1]):
            await crowd.work(40, 3)
            await asyncio.to_thread(victim.kill)
            await crowd.work(20, 2)
            await started(victim)
        await crowd.quiet()
        assert crowd.wrong == []
        await place.look()
        last = place.rows("SELECT id::text, last_n FROM conversations")
        behind = dict(last)
        for reader, room in zip(readers, place.ground.rooms, strict=True):
            goal = behind[room.conversation_id]
            await reader.until(lambda reader=reader, goal=goal: reader.numbers[-1:] == [goal])  # type: ignore[misc]
            assert reader.numbers == list(range(reader.numbers[0], goal + 1))
        assert crowd.acknowledged >= 100
    finally:
        await crowd.drop()


async def test_two_workers_share_the_log_and_refuse_nothing(place: Town) -> None:
    here, _ = place.servers
    await started(here, *place.workers)
    crowd = place.crowd(here)
    crowd.start()
    try:
        await crowd.work(150, 8)
        await crowd.quiet()
        await place.look()
    finally:
        await crowd.drop()
    for worker in place.workers:
        said = worker.log.read_text()
        assert "round_failed" not in said, said[-2000:]
        assert await asyncio.to_thread(worker.stop, 20.0) == 0
    [[places, first, last, signed]] = place.rows(
        "SELECT count(*), min(leaf_index), max(leaf_index), (SELECT count(*) FROM audit_checkpoints) FROM audit_sequence"
    )
    assert (first, last) == (0, places - 1)
    assert signed >= 1
