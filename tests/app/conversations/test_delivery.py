"""The hub: one look for many streams, each text opened once, bounded queues, marks and leases in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cases import service as cases
from app.conversations import delivery, gathering, inbox, leases, queries
from app.conversations.delivery import Hub, hub_of
from app.conversations.looks import Lookout
from app.conversations.models import RoomWatch
from app.conversations.stream import Ended, Quiet, RoomStream, begin_watch, customer_stream, staff_stream
from app.database import reading as reading_session
from app.database import transaction
from app.permissions import DataClass, Level
from app.vault import Vault
from security.envelope import Place
from tests.app.conversations.readers import Reader, leaf_of, reading
from tests.support.house import House, Room


def as_customer(house: House, room: Room, after: int = 0) -> RoomStream:
    return customer_stream(house.services, room.customer, after)


async def as_staff(house: House, room: Room, after: int = 0) -> RoomStream:
    return staff_stream(house.services, house.anna, await begin_watch(house.services, house.anna, room.id, after))


async def settled(*readers: Reader) -> None:
    for reader in readers:
        await reader.until(lambda items: len(items) >= 1)


async def marked(house: House, room: Room, side: str) -> int:
    await hub_of(house.services).drain()
    async with reading_session(house.services) as db:
        return await queries.read_mark(db, room.id, side)


@contextmanager
def counted(engine: AsyncEngine, what: str = "before_cursor_execute") -> Iterator[list[str]]:
    """The statements that an engine runs meanwhile, or its commits."""
    seen: list[str] = []

    def note(*told: Any) -> None:
        seen.append(str(told[2]) if len(told) > 2 else what)

    event.listen(engine.sync_engine, what, note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, what, note)


async def test_a_wave_of_messages_to_many_rooms_is_one_look_and_one_writing_of_marks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY", 60.0)
    rooms = [await house.room() for _ in range(12)]
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(as_customer(house, room))) for room in rooms]
        await settled(*readers)
        await hub_of(house.services).drain()
        monkeypatch.setattr(house.services.wakeups, "notify", lambda _topic: None)
        await asyncio.gather(*(house.answer(room, f"a {place}") for place, room in enumerate(rooms)))
        monkeypatch.undo()
        monkeypatch.setattr(delivery, "LOOK_EVERY", 60.0)
        with counted(house.services.read_engine) as looks, counted(house.services.write_engine, "commit") as commits:
            for room in rooms:
                house.services.wakeups.notify(f"room:{room.id}")
            for place, reader in enumerate(readers):
                await reader.until(lambda _items, reader=reader, place=place: reader.texts == [f"a {place}"])  # type: ignore[misc]
            await hub_of(house.services).drain()
        assert len([one for one in looks if "wanted_readers" in one]) <= 3
        assert len(commits) <= 3
    assert [await marked(house, room, "customer") for room in rooms] == [2] * 12


async def test_a_text_that_several_streams_want_is_opened_once_a_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = Vault.open_text

    async def noting(vault: Vault, place: Place, sealed: bytes) -> str:
        opened.append(place.row)
        return await real(vault, place, sealed)

    room = await house.room()
    async with AsyncExitStack() as stack:
        streams = [as_customer(house, room), *[await as_staff(house, room) for _ in range(4)]]
        readers = [await stack.enter_async_context(reading(stream)) for stream in streams]
        await settled(*readers)
        monkeypatch.setattr(Vault, "open_text", noting)
        await house.say(room, "uno")
        for reader in readers:
            await reader.until(lambda _items, reader=reader: reader.texts == ["uno"])  # type: ignore[misc]
    assert len(opened) < len(readers)
    assert len(set(opened)) == 1


async def test_who_takes_nothing_has_little_waiting_and_gets_all_of_it_when_he_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST", 10)
    room = await house.room()
    for number in range(35):
        await (house.say if number % 2 else house.answer)(room, str(number))
    stream = as_customer(house, room)
    try:
        first = await anext(stream)
        await asyncio.sleep(1.2)
        assert stream._inbox is not None
        assert len(stream._inbox._items) <= 12
        numbers = [first.n]  # type: ignore[union-attr]
        async with asyncio.timeout(20):
            while numbers[-1] < 36:
                item = await anext(stream)
                if isinstance(item, queries.Entry):
                    numbers.append(item.n)
        assert numbers == list(range(1, 37))
    finally:
        await stream.aclose()


async def test_large_texts_fill_the_queue_by_their_size(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "LARGEST", 4000)
    room = await house.room()
    for number in range(8):
        await house.answer(room, f"{number}" + "x" * 900)
    stream = as_customer(house, room)
    try:
        await anext(stream)
        await asyncio.sleep(0.2)
        assert stream._inbox is not None
        assert len(stream._inbox._items) <= 3
    finally:
        await stream.aclose()
    async with reading(as_customer(house, room)) as reader:
        await reader.until(lambda _items: len(reader.texts) == 8)


async def test_a_reader_who_stalls_is_ended_and_keeps_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(delivery, "STALLED_AFTER", 0.3)
    room = await house.room()
    for number in range(5):
        await house.answer(room, str(number))
    stream = as_customer(house, room)
    try:
        await anext(stream)
        await asyncio.sleep(1.5)
        async with asyncio.timeout(5):
            item = await anext(stream)
        assert item == Ended("slow_reader")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    finally:
        await stream.aclose()


async def test_a_revoked_reader_loses_also_what_waited_for_him(house: House) -> None:
    room = await house.room()
    for number in range(5):
        await house.answer(room, str(number))
    stream = as_customer(house, room)
    try:
        await anext(stream)
        house.clock.pass_by(minutes=6)
        await asyncio.sleep(1.5)
        assert await anext(stream) == Ended("room_locked")
    finally:
        await stream.aclose()


async def test_a_text_that_cannot_be_opened_ends_who_wants_it_and_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = await house.room(), await house.room()
    posted = await house.answer(broken, "rotto")
    real = Vault.open_text

    async def failing(vault: Vault, place: Place, sealed: bytes) -> str:
        return await real(vault, place, sealed[:-1] if place.row == str(posted.message_id) else sealed)

    monkeypatch.setattr(Vault, "open_text", failing)
    async with reading(as_customer(house, broken)) as one, reading(as_customer(house, whole)) as other:
        await one.until(lambda items: bool(items) and isinstance(items[-1], Ended))
        await house.answer(whole, "intero")
        await other.until(lambda _items: other.texts == ["intero"])
    assert one.items[-1] == Ended("unavailable")
    assert one.texts == []


async def test_while_the_database_is_away_streams_show_nothing_and_then_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await house.room()
    async with reading(as_customer(house, room)) as reader:
        await settled(reader)

        async def away(*_args: object) -> Sequence[Any]:
            raise OperationalError("look", {}, ConnectionError())

        with monkeypatch.context() as fault:
            fault.setattr(Lookout, "_read", away)
            await house.answer(room, "risposta")
            await asyncio.sleep(0.3)
            assert reader.texts == []
        await reader.until(lambda _items: reader.texts == ["risposta"])
        assert not isinstance(reader.items[-1], Ended)


async def test_a_colleague_whose_case_moved_leaves_the_leaf_of_a_refusal(house: House) -> None:
    room = await house.room()
    async with reading(await as_staff(house, room)) as agent:
        await settled(agent)
        await house.act(lambda db: cases.transfer(db, house.sara, room.case_id, house.bruno.id))
        await agent.until(lambda items: isinstance(items[-1], Ended))
        await leaf_of(house, "room.refused")
    [leaf] = await house.leaves("room.refused")
    assert leaf["data"] == {"reason": "not_assigned", "act": "watch"}


async def test_a_session_at_l2_moves_no_mark_past_older_answers_it_cannot_see(house: House) -> None:
    room = await house.room()
    async with reading(as_customer(house, room)) as before:
        await settled(before)
    await house.answer(room, "vecchia, mai letta")
    house.clock.pass_by(seconds=1)
    room = await house.come_back(room, Level.L2)
    await house.answer(room, "nuova", chosen=DataClass.CASE)
    async with reading(as_customer(house, room)) as low:
        await low.until(lambda _items: low.texts == ["nuova"])
    unseen = 2
    assert await marked(house, room, "customer") < unseen
    house.clock.pass_by(seconds=1)
    room = await house.come_back(room, Level.L3)
    async with reading(as_customer(house, room)) as high:
        await high.until(lambda _items: len(high.texts) == 2)
        last = high.numbers[-1]
        await high.until(lambda _items: high.numbers[-1] == last)
    assert await marked(house, room, "customer") == last


async def test_a_session_at_l2_moves_the_mark_over_what_was_read_before(house: House) -> None:
    room = await house.room()
    await house.answer(room, "letta")
    async with reading(as_customer(house, room)) as before:
        await before.until(lambda _items: before.texts == ["letta"])
    assert await marked(house, room, "customer") == 2
    house.clock.pass_by(seconds=1)
    room = await house.come_back(room, Level.L2)
    await house.answer(room, "nuova", chosen=DataClass.CASE)
    async with reading(as_customer(house, room)) as low:
        await low.until(lambda _items: low.texts == ["nuova"])
    assert await marked(house, room, "customer") == low.numbers[-1]


async def test_a_quiet_stream_says_that_it_is_still_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(delivery, "QUIET_AFTER", 0.2)
    room = await house.room()
    async with reading(as_customer(house, room)) as reader:
        await reader.until(lambda items: items.count(Quiet()) >= 2)


async def test_many_leases_end_in_few_transactions(house: House) -> None:
    room = await house.room()
    streams = [await as_staff(house, room) for _ in range(30)]
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(stream)) for stream in streams]
        await settled(*readers)
        with counted(house.services.write_engine, "commit") as commits:
            house.services.wakeups.stopping.set()
            for reader in readers:
                await reader.until(lambda items: items[-1] == Ended("closing"))
            await hub_of(house.services).drain()
    assert all(watch.ended_at is not None for watch in await house.all(RoomWatch))
    assert len(await house.leaves("room.watch_ended")) == 30
    assert len(commits) <= 6


async def test_an_end_that_cannot_be_written_at_once_is_written_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAUSE", 0.05)
    room = await house.room()
    stream = await as_staff(house, room)
    await anext(stream)
    faults = iter([ConnectionError, ConnectionError])
    real = transaction

    def failing(services: Any) -> Any:
        for fault in faults:
            raise fault
        return real(services)

    monkeypatch.setattr(leases, "transaction", failing)
    await stream.aclose()
    [watch] = await house.all(RoomWatch)
    assert watch.ended_at is not None


async def test_a_stream_that_was_never_read_closes_its_lease_too(house: House) -> None:
    stream = await as_staff(house, await house.room())
    await stream.aclose()
    await stream.aclose()
    [leaf] = await house.leaves("room.watch_ended")
    assert leaf["data"]["to"] == 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_the_hub_ends_with_its_last_stream_and_begins_again_with_the_next(house: House) -> None:
    room = await house.room()
    for _ in range(2):
        async with reading(as_customer(house, room)) as reader:
            await settled(reader)
        hub: Hub = hub_of(house.services)
        await hub.drain()
        assert hub._task is None
        assert not hub._inboxes
        assert not hub._topics
        assert not hub._due
        assert house.services.wakeups._followers == []
