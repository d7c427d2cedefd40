"""The lane: bounded, in order, and no command harms its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from app.errors import Conflict, Unavailable
from app.lane import Lane


@dataclass
class Store:
    """A store with the lane's contract: one outcome a command, or an error and nothing stored."""

    groups: list[list[str]] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def commit(self, commands: Sequence[str]) -> list[str | Exception]:
        self.groups.append(list(commands))
        if self.gate is not None:
            await self.gate.wait()
        if "breaks" in commands:
            raise RuntimeError("the database would not")
        new = [one for one in commands if not one.startswith("refused")]
        self.stored += [one for one in new if one not in self.stored]
        return [Conflict() if one.startswith("refused") else f"done {one}" for one in commands]


def lane(store: Store, **options: int) -> Lane[str, str]:
    made: Lane[str, str] = Lane(store.commit, **options)
    return made


async def together(one: Lane[str, str], *commands: str) -> list[str | BaseException]:
    submitted = [asyncio.ensure_future(one.submit(command)) for command in commands]
    await asyncio.sleep(0)
    one.start()
    answers = await asyncio.wait_for(asyncio.gather(*submitted, return_exceptions=True), 5)
    await one.stop()
    return answers


async def test_what_arrives_together_is_committed_together_in_order() -> None:
    store = Store()
    assert await together(lane(store), "a", "b", "c") == ["done a", "done b", "done c"]
    assert store.groups == [["a", "b", "c"]]


async def test_a_group_is_never_larger_than_allowed() -> None:
    store = Store()
    await together(lane(store, largest_group=4), *(str(number) for number in range(10)))
    assert [len(group) for group in store.groups] == [4, 4, 2]
    assert store.stored == [str(number) for number in range(10)]


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("poison", ["breaks", "refused"])
async def test_poison_at_any_position_is_answered_alone(position: int, poison: str) -> None:
    store = Store()
    commands = [str(number) for number in range(6)]
    commands.insert(position, poison)
    answers = await together(lane(store), *commands)
    assert isinstance(answers.pop(position), RuntimeError if poison == "breaks" else Conflict)
    assert answers == [f"done {number}" for number in range(6)]
    assert store.stored == [str(number) for number in range(6)]


async def test_poison_at_several_positions_is_found_each_time() -> None:
    store = Store()
    answers = await together(lane(store), "breaks", "a", "breaks", "b", "breaks")
    assert [str(one) for one in answers[1::2]] == ["done a", "done b"]
    assert all(isinstance(one, RuntimeError) for one in answers[::2])


async def test_a_full_queue_says_so_at_once_and_when_to_come_back() -> None:
    store = Store()
    one = lane(store, capacity=2)
    waiting = [asyncio.ensure_future(one.submit(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await one.submit("c")
    assert refused.value.retry_after == 1
    one.start()
    assert await asyncio.gather(*waiting) == ["done a", "done b"]
    assert await one.submit("d") == "done d"
    await one.stop()


async def test_stopping_commits_what_is_queued_and_refuses_the_rest() -> None:
    store = Store(gate=asyncio.Event())
    one = lane(store, largest_group=1)
    one.start()
    waiting = [asyncio.ensure_future(one.submit(name)) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    stopping = asyncio.ensure_future(one.stop())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await one.submit("late")
    assert refused.value.retry_after is not None
    assert store.gate is not None
    store.gate.set()
    await asyncio.wait_for(stopping, 5)
    assert [task.result() for task in waiting] == ["done a", "done b", "done c"]
    await one.stop()


async def test_a_caller_who_goes_away_takes_nobody_with_him() -> None:
    store = Store(gate=asyncio.Event())
    one = lane(store)
    one.start()
    gone, stays = asyncio.ensure_future(one.submit("gone")), asyncio.ensure_future(one.submit("stays"))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.sleep(0)
    assert store.gate is not None
    store.gate.set()
    assert await asyncio.wait_for(stays, 5) == "done stays"
    assert await one.submit("next") == "done next"
    await one.stop()


async def test_the_lane_outlives_outcomes_that_do_not_fit() -> None:
    async def short(commands: Sequence[str]) -> list[str | Exception]:
        return ["one"] if "odd" not in commands else []

    made: Lane[str, str] = Lane(short, largest_group=1)
    made.start()
    with pytest.raises(ValueError, match="zip"):
        await asyncio.wait_for(made.submit("odd"), 5)
    assert await asyncio.wait_for(made.submit("even"), 5) == "one"
    await made.stop()
