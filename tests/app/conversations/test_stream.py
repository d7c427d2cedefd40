"""Live streams: replay without gap or repeat, an end within a second, and for staff a lease with its leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.actors import SYSTEM, Staff
from app.agents import service as agents
from app.cases import service as cases
from app.conversations import service
from app.conversations.errors import RoomLocked
from app.conversations.models import RoomWatch
from app.conversations.stream import (
    Ended,
    ReadUpTo,
    RoomStream,
    begin_watch,
    closing,
    customer_stream,
    staff_stream,
)
from app.permissions import Level
from app.sessions import service as sessions
from tests.app.conversations.readers import leaf_of, reading
from tests.support.house import House, Room

SOON = 1.8
"""One second between two looks, and what a loaded machine adds."""


def as_customer(house: House, room: Room, after: int = 0) -> RoomStream:
    return customer_stream(house.services, room.customer, after)


async def as_staff(house: House, room: Room, after: int = 0, by: Staff | None = None) -> RoomStream:
    staff = by or house.anna
    return staff_stream(house.services, staff, await begin_watch(house.services, staff, room.id, after))


async def test_what_is_written_reaches_both_sides_at_once(house: House) -> None:
    room = await house.room()
    async with reading(as_customer(house, room)) as customer, reading(await as_staff(house, room)) as agent:
        await house.say(room, "domanda")
        await house.answer(room, "risposta")
        for reader in (customer, agent):
            await reader.until(lambda _items, reader=reader: len(reader.texts) == 2, SOON)  # type: ignore[misc]
            assert reader.numbers == [1, 2, 3]


async def test_a_cursor_misses_and_repeats_nothing_while_messages_arrive(house: House) -> None:
    room = await house.room()
    last = 61

    async def write() -> None:
        for number in range(60):
            await (house.say if number % 2 else house.answer)(room, str(number))

    writing = asyncio.create_task(write())
    seen: list[int] = []
    cursor = 0
    while not seen or seen[-1] < last:
        async with reading(as_customer(house, room, cursor)) as part:
            goal = min(cursor + 9, last)
            await part.until(lambda _items, part=part, goal=goal: bool(part.numbers) and part.numbers[-1] >= goal)  # type: ignore[misc]
        seen += part.numbers
        cursor = seen[-1]
    await writing
    assert seen == list(range(1, last + 1))


async def test_a_held_answer_reaches_the_cursor_where_it_was_released(house: House) -> None:
    room = await house.room(Level.L2)
    await house.answer(room, "trattenuta")
    await house.say(room, "eccomi")
    async with reading(as_customer(house, room)) as low:
        await low.until(lambda _items: low.texts == ["eccomi"])
    house.clock.pass_by(seconds=1)
    room = await house.come_back(room, Level.L3)
    async with reading(as_customer(house, room, low.numbers[-1])) as high:
        await high.until(lambda _items: high.texts == ["trattenuta"])
    assert min(high.numbers) > max(low.numbers)


async def gone(house: House, room: Room, how: str) -> None:
    session = room.customer.session_id
    acts: dict[str, Any] = {
        "vacated": lambda db: service.vacate(db, room.id, reason="locked", actor=SYSTEM),
        "session ended": lambda db: sessions.end(db, session, house.clock()),
        "session locked": lambda db: sessions.lock(db, session),
        "agent left": lambda db: agents.deactivate(db, house.ada, house.anna.id, "left"),
        "signed out": lambda db: agents.sign_out(db, house.anna),
        "case moved": lambda db: cases.transfer(db, house.sara, room.case_id, house.bruno.id),
    }
    if how in acts:
        await house.act(acts[how])
    else:
        house.clock.pass_by(minutes=6)


@pytest.mark.parametrize("how", ["vacated", "session ended", "session locked", "idle"])
async def test_a_customers_stream_ends_within_a_second_and_shows_nothing_more(house: House, how: str) -> None:
    room = await house.room()
    async with reading(as_customer(house, room)) as customer:
        await customer.until(lambda items: len(items) >= 1)
        await gone(house, room, how)
        await customer.until(lambda items: isinstance(items[-1], Ended), SOON)
        await house.answer(room, "troppo tardi")
    assert customer.items[-1] == Ended("room_locked")
    assert customer.texts == []


@pytest.mark.parametrize(
    ("how", "code"),
    [("agent left", "unauthenticated"), ("signed out", "unauthenticated"), ("case moved", "not_your_room")],
)
async def test_a_staff_stream_ends_within_a_second_and_its_lease_with_it(house: House, how: str, code: str) -> None:
    room = await house.room()
    async with reading(await as_staff(house, room)) as agent:
        await agent.until(lambda items: len(items) >= 1)
        await gone(house, room, how)
        await agent.until(lambda items: isinstance(items[-1], Ended), SOON)
        await house.say(room, "troppo tardi")
        assert agent.items[-1] == Ended(code)
        assert agent.texts == []
        await leaf_of(house, "room.watch_ended")


async def test_a_stopping_service_ends_its_streams_at_once(house: House) -> None:
    room = await house.room()
    async with reading(as_customer(house, room)) as customer, reading(await as_staff(house, room)) as agent:
        for reader in (customer, agent):
            await reader.until(lambda items: len(items) >= 1)
        house.services.wakeups.stopping.set()
        for reader in (customer, agent):
            await reader.until(lambda items: items[-1] == Ended("closing"), SOON)


async def test_a_lease_is_durable_before_the_first_byte_and_ends_with_the_last_number(house: House) -> None:
    room = await house.room()
    await house.say(room, "uno")
    stream = await as_staff(house, room)
    assert [leaf["data"]["from"] for leaf in await house.leaves("room.watching")] == [1]
    [watch] = await house.all(RoomWatch)
    assert watch.ended_at is None
    async with reading(stream) as agent:
        await agent.until(lambda _items: agent.numbers == [1, 2])
        house.clock.pass_by(seconds=61)
        await house.say(room, "due")
        await agent.until(lambda _items: agent.numbers == [1, 2, 3])
        await leaf_of(house, "room.watch_renewed")
    leaves = await house.leaves("room.watching", "room.watch_renewed", "room.watch_ended")
    assert [leaf["t"] for leaf in leaves] == ["room.watching", "room.watch_renewed", "room.watch_ended"]
    assert {leaf["stream"] for leaf in leaves} == {f"room:{room.id}:access"}
    assert leaves[1]["data"]["to"] in (2, 3)
    assert leaves[2]["data"]["to"] == 3
    [watch] = await house.all(RoomWatch)
    assert (watch.seen_n, watch.ended_at) == (3, house.clock())


@pytest.mark.parametrize("taken", [1, 4, 10])
async def test_a_reader_cut_off_in_the_middle_of_a_page_has_seen_what_was_handed_to_him(
    house: House, taken: int
) -> None:
    room = await house.room()
    for number in range(9):
        await house.say(room, str(number))
    async with closing(await as_staff(house, room)) as items:
        for _ in range(taken):
            await anext(items)
    [leaf] = await house.leaves("room.watch_ended")
    assert leaf["data"]["to"] == taken


async def test_a_lease_whose_leaf_cannot_be_written_lets_nobody_see(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ConnectionError

    room = await house.room()
    monkeypatch.setattr("app.conversations.leases.record", fail)
    with pytest.raises(ConnectionError):
        await begin_watch(house.services, house.anna, room.id, 0)
    assert await house.all(RoomWatch) == []


async def test_a_customer_who_is_not_in_the_room_gets_no_stream(house: House) -> None:
    room = await house.room()
    await gone(house, room, "vacated")
    with pytest.raises(RoomLocked):
        await anext(as_customer(house, room))


async def test_each_side_learns_how_far_the_other_has_read(house: House) -> None:
    room = await house.room()
    async with reading(await as_staff(house, room)) as agent:
        await house.answer(room, "risposta")
        async with reading(as_customer(house, room)) as customer:
            await customer.until(lambda _items: customer.texts == ["risposta"])
            await agent.until(lambda items: ReadUpTo(2) in items, SOON + 2)
    marks = [item.n for item in agent.items if isinstance(item, ReadUpTo)]
    assert marks == sorted(marks)


async def test_a_stream_leaves_no_listener_behind(house: House) -> None:
    room = await house.room()
    for _ in range(3):
        async with reading(as_customer(house, room)) as customer:
            await customer.until(lambda items: len(items) >= 1)
    assert len(house.services.wakeups._listeners) == 0
