"""Readings leave evidence first, marks move forward only, and one notice goes out for each silence."""

from __future__ import annotations

import asyncio

import pytest

from app.binding import notices
from app.conversations import marks, queries, reading, service, sweeping
from app.conversations.models import ReadMark
from app.conversations.queries import Window
from app.database import reading as reading_session
from app.notifications.service import Work, claim, finish
from app.permissions import DataClass, Level
from tests.support.house import House, Room


async def mark(house: House, room: Room, side: str = "customer") -> int:
    async with reading_session(house.services) as db:
        return await queries.read_mark(db, room.id, side)


async def look(house: House, room: Room) -> list[int]:
    page = await reading.read_as_customer(house.services, room.customer, Window(after=0))
    return [one.n for one in page.entries]


async def test_each_page_of_staff_has_a_leaf_that_says_what_was_shown(house: House) -> None:
    room = await house.room()
    for number in range(5):
        await house.say(room, str(number))
    for window, span in (
        (Window(), (1, 6)),
        (Window(after=2), (3, 6)),
        (Window(after=1, limit=2), (2, 6)),
        (Window(before=4, limit=2), (2, 3)),
    ):
        page = await reading.read_as_staff(house.services, house.anna, room.id, window)
        leaf = (await house.leaves("room.read"))[-1]
        assert (leaf["data"]["from"], leaf["data"]["to"]) == span
        assert {one.n for one in page.entries} <= set(range(span[0], span[1] + 1))
    assert len(await house.leaves("room.read")) == 4


async def test_what_came_after_the_leaf_is_not_on_its_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await house.room()
    await house.say(room, "prima")
    real = queries.entries_for_staff

    async def late(*args: object) -> object:
        await house.say(room, "dopo")
        return await real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(queries, "entries_for_staff", late)
    page = await reading.read_as_staff(house.services, house.anna, room.id, Window(after=0))
    assert [one.text for one in page.entries if one.text] == ["prima"]
    assert page.entries[-1].n == (await house.leaves("room.read"))[0]["data"]["to"]


async def test_a_page_whose_leaf_cannot_be_written_shows_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await house.room()
    opened: list[object] = []

    def fail(*_args: object, **_options: object) -> None:
        raise ConnectionError

    async def watched(*args: object) -> list[object]:
        opened.append(args)
        return []

    monkeypatch.setattr(reading, "record", fail)
    monkeypatch.setattr(queries, "entries_for_staff", watched)
    monkeypatch.setattr(queries, "entries_for_customer", watched)
    with pytest.raises(ConnectionError):
        await reading.read_as_staff(house.services, house.anna, room.id, Window())
    with pytest.raises(ConnectionError):
        await look(house, room)
    assert opened == []


async def test_a_customers_session_has_one_leaf_for_its_readings(house: House) -> None:
    room = await house.room()
    await house.answer(room, "risposta")
    await asyncio.gather(*(look(house, room) for _ in range(4)))
    await look(house, room)
    assert [leaf["data"]["purpose"] for leaf in await house.leaves("room.read")] == ["own"]
    house.clock.pass_by(seconds=1)
    await look(house, await house.come_back(room, Level.L3))
    assert len(await house.leaves("room.read")) == 2


async def test_a_mark_moves_forward_only_also_in_a_race(house: House) -> None:
    room = await house.room()

    async def move(number: int) -> None:
        await marks.move_marks(house.services, [marks.Delivered(room.id, "customer", number)])

    await asyncio.gather(*(move(number) for number in (3, 9, 1, 7, 5, 2)))
    assert await mark(house, room) == 9
    await move(4)
    assert await mark(house, room) == 9
    assert await mark(house, room, "agent") == 0


async def test_reading_marks_only_what_was_shown(house: House) -> None:
    room = await house.room()
    await house.answer(room, "uno")
    shown = await look(house, room)
    await house.answer(room, "due")
    assert await mark(house, room) == shown[-1]
    async with reading_session(house.services) as db:
        assert await queries.unread_counts(db, [room.id], "customer") == {room.id: 1}
        assert await queries.unread_counts(db, [room.id], "agent") == {}


async def announced(house: House) -> list[Work]:
    count = await notices.announce_unread(house.services)
    works = [one for one in await claim(house.services) if one.topic == notices.NOTICE]
    assert len(works) == count
    for work in works:
        await house.act(lambda db, work=work: finish(db, work.id))  # type: ignore[misc]
    return works


async def test_an_answer_unread_for_two_minutes_is_announced_once_for_each_silence(house: House) -> None:
    room = await house.room()
    await house.answer(room, "canarino")
    house.clock.pass_by(minutes=1, seconds=59)
    assert await announced(house) == []
    house.clock.pass_by(seconds=2)
    [work] = await announced(house)
    assert work.payload["binding"] == str(room.binding_id)
    assert "canarino" not in repr(work.payload)
    await house.answer(room, "ancora")
    house.clock.pass_by(minutes=3)
    assert await announced(house) == []
    room = await house.come_back(room, Level.L3)
    await look(house, room)
    await house.answer(room, "nuova")
    house.clock.pass_by(minutes=3)
    assert len(await announced(house)) == 1
    assert await announced(house) == []


async def test_an_answer_that_was_read_in_time_is_not_announced_nor_a_held_one(house: House) -> None:
    room, low = await house.room(), await house.room(Level.L2)
    await house.answer(room, "letta")
    await house.answer(low, "trattenuta", chosen=DataClass.ACCOUNT)
    await house.say(room, "del cliente")
    await look(house, room)
    house.clock.pass_by(minutes=3)
    assert await announced(house) == []


async def test_a_released_answer_has_two_minutes_of_its_own(house: House) -> None:
    room = await house.room(Level.L2)
    await house.answer(room, "trattenuta", chosen=DataClass.ACCOUNT)
    house.clock.pass_by(minutes=10)
    await house.come_back(room, Level.L3)
    assert await announced(house) == []
    house.clock.pass_by(minutes=2, seconds=1)
    assert len(await announced(house)) == 1


async def test_two_workers_announce_once(house: House) -> None:
    room = await house.room()
    await house.answer(room, "risposta")
    house.clock.pass_by(minutes=3)
    await asyncio.gather(*(notices.announce_unread(house.services) for _ in range(3)))
    works = [one for one in await claim(house.services) if one.topic == notices.NOTICE]
    assert len(works) == 1
    assert [row.noticed_n for row in await house.all(ReadMark)] == [2]
    assert await sweeping.unread_answers(house.services) == []
    await house.act(lambda db: service.vacate(db, room.id, reason="left", actor=room.customer))
    assert await sweeping.unread_answers(house.services) == []
