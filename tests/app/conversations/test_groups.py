"""What arrives together is committed together: poison at any place of a group harms no neighbour, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.agents import service as agents
from app.cases import service as cases
from app.cases.rules import Outcome
from app.conversations import committing, posting, service
from app.conversations.committing import Posted, PostMessage
from app.conversations.errors import MessageKeyReused, NotYourRoom, RoomClosed, RoomLocked
from app.conversations.models import Message
from app.errors import Unauthenticated
from app.lane import Lane
from app.sessions import service as sessions
from tests.support.house import House, Room

SIZE = 5


async def prepared(house: House, room: Room, number: int, *, by_agent: bool = False) -> PostMessage:
    actor: Any = house.anna if by_agent else room.customer
    return await posting._prepare(house.services, actor, room.id, f"text {number}", (f"key {number}", None))


@dataclass
class Poison:
    """A room whose next command will be refused, and with what."""

    spoil: Callable[[House, Room], Awaitable[object]]
    error: type[Exception]
    by_agent: bool = False
    change: Callable[[PostMessage], PostMessage] = lambda command: command


async def repeat(house: House, room: Room) -> None:
    await house.say(room, "another text", key="key 99")


async def close(house: House, room: Room) -> None:
    await house.act(lambda db: cases.close(db, house.anna, room.case_id, Outcome.RESOLVED))
    await house.act(lambda db: service.close_rooms_of_case(db, house.anna, room.case_id))


async def nothing(house: House, room: Room) -> None:
    del house, room


POISONS = {
    "key reused": Poison(repeat, MessageKeyReused),
    "room closed": Poison(close, RoomClosed),
    "session ended": Poison(
        lambda house, room: house.act(lambda db: sessions.end(db, room.customer.session_id, house.clock())), RoomLocked
    ),
    "room left": Poison(
        lambda house, room: house.act(lambda db: service.vacate(db, room.id, reason="left", actor=room.customer)),
        RoomLocked,
    ),
    "case changed hands": Poison(
        lambda house, room: house.act(lambda db: cases.transfer(db, house.sara, room.case_id, house.bruno.id)),
        NotYourRoom,
        by_agent=True,
    ),
    "agent left": Poison(
        lambda house, _room: house.act(lambda db: agents.deactivate(db, house.ada, house.bruno.id, "left")),
        Unauthenticated,
    ),
    "database error": Poison(nothing, Exception, change=lambda command: replace(command, sealed_text=None)),  # type: ignore[arg-type]
}


async def refused_and_neighbours(house: House, poison: Poison, position: int) -> list[Any]:
    """The answers of one group in which only the command at `position` is spoilt after it was prepared."""
    rooms = [await house.room() for _ in range(2)]
    bad = await house.room(by=house.bruno if poison is POISONS["agent left"] else None)
    by_agent = poison.by_agent or poison is POISONS["agent left"]
    actor: Any = room_actor(house, bad, poison) if by_agent else bad.customer
    command = poison.change(await posting._prepare(house.services, actor, bad.id, "text 99", ("key 99", None)))
    commands = [await prepared(house, rooms[number % 2], number, by_agent=number % 3 == 0) for number in range(SIZE)]
    commands.insert(position, command)
    await poison.spoil(house, bad)
    lane = house.services.lane
    assert lane is not None
    return await asyncio.gather(*(lane.submit(one) for one in commands), return_exceptions=True)


def room_actor(house: House, room: Room, poison: Poison) -> Any:
    del room
    return house.bruno if poison is POISONS["agent left"] else house.anna


@pytest.mark.parametrize(
    ("name", "position"),
    [
        *((name, 2) for name in POISONS),
        *((name, end) for name in ("room closed", "database error") for end in (0, SIZE)),
    ],
)
async def test_poison_is_answered_alone_and_neighbours_are_stored_in_order(
    house: House, name: str, position: int
) -> None:
    poison = POISONS[name]
    answers = await refused_and_neighbours(house, poison, position)
    refused = answers.pop(position)
    assert isinstance(refused, poison.error), refused
    assert not isinstance(refused, Posted)
    assert [type(one) for one in answers] == [Posted] * SIZE
    stored = {row.id for row in await house.all(Message)}
    assert {one.message_id for one in answers} <= stored
    for half in (answers[::2], answers[1::2]):
        numbers = [one.n for one in half]
        assert numbers == sorted(numbers)
    await house.check_streams()


async def test_an_insiders_refused_post_has_its_leaf_beside_the_neighbours_messages(house: House) -> None:
    await refused_and_neighbours(house, POISONS["case changed hands"], 2)
    [leaf] = await house.leaves("room.refused")
    assert leaf["actor"]["id"] == str(house.anna.id)
    assert leaf["data"] == {"reason": "not_assigned", "act": "post"}


async def test_a_group_whose_commit_fails_stores_nothing_and_its_replay_everything(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit breaks after all was written; the replay in halves finds nothing doubled."""
    room = await house.room()
    commands = [await prepared(house, room, number) for number in range(4)]
    real, failed = committing._group, []

    async def once(db: Any, group: Any) -> Any:
        if not failed:
            failed.append(len(group))

            async def broken() -> None:
                raise ConnectionError

            db.commit = broken
        return await real(db, group)

    monkeypatch.setattr(committing, "_group", once)
    lane = house.services.lane
    assert lane is not None
    answers = await asyncio.gather(*(lane.submit(one) for one in commands))
    assert failed == [4]
    assert [one.n for one in answers] == [2, 3, 4, 5]
    assert len(await house.all(Message)) == 4
    await house.check_streams()


async def test_an_answer_lost_after_the_commit_is_found_by_the_replay(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await house.room()
    commands = [await prepared(house, room, number) for number in range(3)]
    real, lost = committing.commit_group, []

    async def losing(services: Any, group: Any) -> Any:
        outcomes = await real(services, group)
        if not lost:
            lost.append(outcomes)
            raise ConnectionError
        return outcomes

    lane: Lane[Any, Any] = Lane(lambda group: losing(house.services, group))
    waiting = [asyncio.ensure_future(lane.submit(one)) for one in commands]
    await asyncio.sleep(0)
    lane.start()
    answers = await asyncio.gather(*waiting)
    await lane.stop()
    assert [one.message_id for one in answers] == [one.message_id for one in lost[0]]
    assert len(await house.all(Message)) == 3


async def test_two_processes_that_get_the_same_retry_store_one_message(house: House) -> None:
    room = await house.room()
    groups = [[await prepared(house, room, 1)] for _ in range(6)]
    outcomes = await asyncio.gather(*(committing.commit_group(house.services, group) for group in groups))
    assert len({one.message_id for [one] in outcomes if isinstance(one, Posted)}) == 1
    assert len(await house.all(Message)) == 1
