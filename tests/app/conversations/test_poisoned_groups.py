"""Poison at every position of a group, of every kind, on both databases: neighbours unharmed, each answered rightly.

Faults of the database are made in it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from app.agents import service as agents
from app.cases import service as cases
from app.cases.rules import Outcome
from app.conversations import service
from app.conversations.errors import MessageKeyReused, NeverHere, NotYourRoom, RoomClosed, RoomLocked
from app.conversations.models import Message
from app.errors import Invalid, NotFound, RiserboError, Unauthenticated
from app.ids import new_id
from app.permissions import Level
from app.sessions import service as sessions
from tests.app.conversations.grouped_posts import Groups, Post, commits
from tests.support.house import START, House, Room
from tests.support.traps import TRAPS, trap

SIZES: Final = (1, 2, 3, 7, 16)
# of the largest group its ends and some places of the middle; of the smaller ones every position
FAULTY: Final = [(size, at) for size in SIZES for at in range(size) if size < 16 or at in (0, 5, 8, 10, 15)]
# what is refused and not broken splits no group: one place in the largest is enough
POSITIONS: Final = [(size, at) for size, at in FAULTY if size < 16 or at == 8]
CARD: Final = "La mia carta è 4111 1111 1111 1111."


@pytest.fixture
async def groups(house: House) -> Groups:
    return Groups(house, [await house.room() for _ in range(2)], await house.room(Level.L2))


async def test_what_arrives_together_is_one_transaction(groups: Groups) -> None:
    """Without this the tests below would poison groups of one."""
    posts = [groups.neighbour(number) for number in range(16)]
    with commits(groups.house) as counted:
        answers = await groups.together(posts)
    assert counted["commit"] == 1
    groups.note(posts, answers)
    await groups.check()


Spoil = Callable[[House, Room], Coroutine[Any, Any, object]]


@dataclass(frozen=True)
class Poison:
    """What is done to a room once its post is on the way, and what its sender must be told."""

    error: type[RiserboError]
    spoil: Spoil
    by_staff: str | None = None
    once: bool = False
    """The spoiling is for good: one room serves every group."""


async def close(house: House, room: Room) -> None:
    await house.act(lambda db: cases.close(db, house.anna, room.case_id, Outcome.RESOLVED))
    await house.act(lambda db: service.close_rooms_of_case(db, house.anna, room.case_id))


async def lose_the_case(house: House, room: Room) -> None:
    await house.act(lambda db: cases.transfer(db, house.sara, room.case_id, house.bruno.id))


POISONS: Final = {
    "room closed": Poison(RoomClosed, close),
    "room closed, by the agent": Poison(RoomClosed, close, by_staff="anna"),
    "session revoked": Poison(
        RoomLocked, lambda house, room: house.act(lambda db: sessions.end(db, room.customer.session_id, house.clock()))
    ),
    "session locked": Poison(
        RoomLocked, lambda house, room: house.act(lambda db: sessions.lock(db, room.customer.session_id))
    ),
    "came back in another browser": Poison(RoomLocked, lambda house, room: house.come_back(room, Level.L3)),
    "room left": Poison(
        RoomLocked,
        lambda house, room: house.act(lambda db: service.vacate(db, room.id, reason="left", actor=room.customer)),
    ),
    "case lost": Poison(NotYourRoom, lose_the_case, by_staff="anna"),
    "leaver": Poison(
        Unauthenticated,
        lambda house, _room: house.act(lambda db: agents.deactivate(db, house.ada, house.bruno.id, "left")),
        by_staff="bruno",
        once=True,
    ),
    "staff session revoked": Poison(
        Unauthenticated,
        lambda house, _room: house.act(lambda db: sessions.end(db, house.silvio.session_id, house.clock())),
        by_staff="silvio",
        once=True,
    ),
}


@pytest.mark.parametrize("name", POISONS)
async def test_who_lost_the_right_on_the_way_is_refused_alone(groups: Groups, name: str) -> None:
    poison, house, spoilt = POISONS[name], groups.house, None
    by = getattr(house, poison.by_staff) if poison.by_staff else None
    for size, position in POSITIONS:
        bad = spoilt or await house.room(by=by)
        meanwhile = None if spoilt else (lambda room=bad: poison.spoil(house, room))
        spoilt = bad if poison.once else None
        posts = [groups.neighbour(number) for number in range(size)]
        posts[position] = groups.post(by or bad.customer, bad.id)
        with commits(house) as counted:
            answers = await groups.together(posts, meanwhile=meanwhile)
        refused = answers.pop(position)
        assert type(refused) is poison.error, (size, position, refused)
        assert counted["rollback"] == 0, "the refused one took the group with it"
        groups.note(posts[:position] + posts[position + 1 :], answers)
    await groups.check()
    insiders = await house.leaves("room.refused")
    assert len(insiders) == (len(POSITIONS) if poison.error is NotYourRoom else 0)


@pytest.mark.parametrize("same_text", [True, False], ids=["same text", "another text"])
async def test_a_repeat_of_an_earlier_key_is_answered_alone(groups: Groups, same_text: bool) -> None:
    first = groups.neighbour(0)
    [answer] = await groups.together([first])
    groups.note([first], [answer])
    for size, position in POSITIONS:
        posts = [groups.neighbour(number) for number in range(size)]
        posts[position] = first if same_text else replace(first, text="not what was said")
        answers = await groups.together(posts)
        repeated = answers.pop(position)
        assert repeated == answer if same_text else type(repeated) is MessageKeyReused, (size, position, repeated)
        groups.note(posts[:position] + posts[position + 1 :], answers)
    await groups.check()


@pytest.mark.parametrize("same_text", [True, False], ids=["same text", "another text"])
async def test_a_repeat_within_the_group_is_answered_alone(groups: Groups, same_text: bool) -> None:
    for size, position in POSITIONS:
        if size == 1:
            continue
        posts = [groups.neighbour(number) for number in range(size)]
        twin = (position + 1) % size
        posts[position] = posts[twin] if same_text else replace(posts[twin], text="not what was said")
        answers = await groups.together(posts)
        # of two the earlier is stored, wherever the repeat stands
        later = max(position, twin)
        repeated, original = answers.pop(later), answers[min(position, twin)]
        assert repeated == original if same_text else type(repeated) is MessageKeyReused, (size, position, repeated)
        groups.note(posts[:later] + posts[later + 1 :], answers)
    await groups.check()


async def test_the_same_key_of_two_senders_is_two_messages(groups: Groups) -> None:
    room = groups.rooms[0]
    posts = [
        Post(room.customer, room.id, "mine", "k"),
        Post(groups.house.anna, room.id, "mine too", "k"),
        Post(groups.rooms[1].customer, groups.rooms[1].id, "and mine", "k"),
        Post(groups.house.anna, groups.rooms[1].id, "and mine too", "k"),
    ]
    groups.note(posts, await groups.together(posts))
    await groups.check()


def _too_long_a_key(groups: Groups) -> tuple[Post, type[Exception]]:
    post = groups.neighbour(0)
    return replace(post, key="k" * 256), Invalid


def _refused_text(groups: Groups) -> tuple[Post, type[Exception]]:
    return replace(groups.neighbour(1), text=CARD), NeverHere


def _oversize(groups: Groups) -> tuple[Post, type[Exception]]:
    """Longer than anything that is read at all; what the doors take is far less."""
    return replace(groups.neighbour(1), text="x" * 100_001), Invalid


def _no_such_room(groups: Groups) -> tuple[Post, type[Exception]]:
    return replace(groups.neighbour(1), room_id=new_id(START)), NotFound


def _somebody_elses_room(groups: Groups) -> tuple[Post, type[Exception]]:
    return replace(groups.neighbour(1), room_id=groups.low.id), RoomLocked


def _a_level_of_ones_own(groups: Groups) -> tuple[Post, type[Exception]]:
    post = groups.post(replace(groups.low.customer, level=4), groups.low.id)
    return post, RoomLocked


def _a_session_of_somebody_else(groups: Groups) -> tuple[Post, type[Exception]]:
    room = groups.rooms[0]
    return groups.post(replace(room.customer, session_id=groups.low.customer.session_id), room.id), RoomLocked


@pytest.mark.parametrize(
    "make",
    [
        _too_long_a_key,
        _refused_text,
        _oversize,
        _no_such_room,
        _somebody_elses_room,
        _a_level_of_ones_own,
        _a_session_of_somebody_else,
    ],
    ids=lambda make: make.__name__.strip("_").replace("_", " "),
)
async def test_what_nobody_may_post_is_refused_alone(
    groups: Groups, make: Callable[[Groups], tuple[Post, type[Exception]]]
) -> None:
    for size, position in POSITIONS:
        posts = [groups.neighbour(number) for number in range(size)]
        posts[position], error = make(groups)
        answers = await groups.together(posts)
        refused = answers.pop(position)
        assert isinstance(refused, error), (size, position, refused)
        groups.note(posts[:position] + posts[position + 1 :], answers)
    await groups.check()
    assert "4111 1111" not in json.dumps(await groups.house.leaves())


@pytest.mark.parametrize("kind", TRAPS)
async def test_a_fault_of_the_database_is_one_posts_alone(groups: Groups, kind: str) -> None:
    house = groups.house
    with trap(house.urls.main, house.sara.id, kind):
        for size, position in FAULTY:
            posts = [groups.neighbour(number) for number in range(size)]
            posts[position] = groups.post(house.sara, groups.rooms[position % 2].id)
            answers = await groups.together(posts)
            broken = answers.pop(position)
            assert isinstance(broken, Exception), (size, position, broken)
            assert getattr(broken, "status", 500) >= 500, "a fault of ours is told as the sender's"
            groups.note(posts[:position] + posts[position + 1 :], answers)
    await groups.check()


@asynccontextmanager
async def passing_fault(house: House) -> AsyncIterator[Callable[[], int]]:
    """The next insertion of messages fails, once, as a disk or a connection does; gives how often it was tried."""
    engine, tried = house.services.write_engine.sync_engine, Counter[str]()

    def fail(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "INSERT INTO messages" in statement:
            tried["inserted"] += 1
            if tried["inserted"] == 1:
                raise DBAPIError.instance(statement, None, sqlite3.OperationalError("disk I/O error"), sqlite3.Error)

    event.listen(engine, "before_cursor_execute", fail)
    try:
        yield lambda: tried["inserted"]
    finally:
        event.remove(engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("size", [size for size in SIZES if size > 1])
async def test_a_fault_that_passes_costs_nobody_anything(groups: Groups, size: int) -> None:
    posts = [groups.neighbour(number) for number in range(size)]
    async with passing_fault(groups.house) as tried:
        answers = await groups.together(posts)
    assert tried() > 1
    groups.note(posts, answers)
    await groups.check()


async def test_a_lone_post_that_met_a_passing_fault_is_stored_by_its_retry(groups: Groups) -> None:
    post = groups.neighbour(0)
    async with passing_fault(groups.house):
        [answer] = await groups.together([post])
        if isinstance(answer, Exception):
            assert getattr(answer, "status", 500) >= 500
            [answer] = await groups.together([post])
    groups.note([post], [answer])
    await groups.check()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_connection_lost_in_the_middle_of_a_group_is_replayed_on_another(groups: Groups) -> None:
    house = groups.house
    for size, position in POSITIONS[1:]:
        posts = [groups.neighbour(number) for number in range(size)]
        posts[position] = groups.post(house.sara, groups.rooms[0].id)
        with trap(house.urls.main, house.sara.id, "the transaction is lost", times=1):
            answers = await groups.together(posts)
        groups.note(posts, answers)
    await groups.check()


@pytest.mark.parametrize("also_fault", [False, True], ids=["", "and the group is replayed"])
async def test_a_client_who_goes_away_in_the_middle_harms_nobody_and_may_ask_again(
    groups: Groups, also_fault: bool
) -> None:
    house = groups.house
    for size, position in POSITIONS:
        posts = [groups.neighbour(number) for number in range(size)]
        async with passing_fault(house) if also_fault else nullcontext():
            answers = await groups.together(posts, cancel=position)
        if isinstance(answers[position], asyncio.CancelledError | Exception):
            missing = position
            stored = {row.id for row in await house.all(Message)}
            again = await groups.send(posts[missing])
            # where it stands among its neighbours tells whether the group had taken it or the retry has
            if again.message_id in stored:
                answers[missing] = again
                groups.note(posts, answers)
            else:
                del answers[missing]
                groups.note(posts[:missing] + posts[missing + 1 :], answers)
                groups.note([posts[missing]], [again])
        else:
            groups.note(posts, answers)
    await groups.check()


async def test_everybodys_retry_after_a_poisoned_group_gets_the_first_answer(groups: Groups) -> None:
    house = groups.house
    posts = [groups.neighbour(number) for number in range(16)]
    posts[7] = groups.post(house.sara, groups.rooms[0].id)
    with trap(house.urls.main, house.sara.id, "a broken constraint"):
        answers = await groups.together(posts)
    assert isinstance(answers.pop(7), Exception)
    groups.note(posts[:7] + posts[8:], answers)
    again = await groups.together(posts)
    groups.note([posts[7]], [again.pop(7)])
    assert again == answers
    await groups.check()
