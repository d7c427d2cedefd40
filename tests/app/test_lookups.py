"""Gathered look-ups: one query for all who ask together, and no answer that was read before its question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.lookups import LARGEST_QUERY, Gathered, Lookups


@dataclass
class Table:
    """What is looked up, and in which groups it was asked for."""

    rows: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 2})
    asked: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def read(self, keys: Sequence[str]) -> dict[str, int]:
        self.asked.append(list(keys))
        if "breaks" in keys:
            raise ConnectionError
        found = {key: self.rows[key] for key in keys if key in self.rows}
        if self.gate is not None:
            await self.gate.wait()
        return found


async def test_who_asks_together_is_answered_by_one_query() -> None:
    table = Table()
    gathered = Gathered(table.read)
    assert await asyncio.gather(*map(gathered.get, ["a", "b", "nobody", "a"])) == [1, 2, None, 1]
    assert table.asked == [["a", "b", "nobody"]]


async def test_who_asks_during_a_query_gets_an_answer_read_afterwards() -> None:
    table = Table(gate=asyncio.Event())
    gathered = Gathered(table.read)
    early = asyncio.ensure_future(gathered.get("a"))
    await asyncio.sleep(0.01)
    table.rows["a"] = 7
    late = asyncio.ensure_future(gathered.get("a"))
    await asyncio.sleep(0)
    assert table.gate is not None
    table.gate.set()
    assert await asyncio.gather(early, late) == [1, 7]


async def test_many_are_asked_for_in_several_queries() -> None:
    table = Table()
    gathered = Gathered(table.read)
    await asyncio.gather(*(gathered.get(str(number)) for number in range(LARGEST_QUERY + 1)))
    assert [len(one) for one in table.asked] == [LARGEST_QUERY, 1]


async def test_a_fault_meets_those_who_asked_and_nobody_after_them() -> None:
    gathered = Gathered(Table().read)
    answers = await asyncio.gather(gathered.get("breaks"), gathered.get("a"), return_exceptions=True)
    assert [type(one) for one in answers] == [ConnectionError, ConnectionError]
    assert await gathered.get("a") == 1


async def test_an_asker_who_leaves_takes_nobodys_answer_along() -> None:
    gathered = Gathered(Table().read)
    leaving, staying = (asyncio.ensure_future(gathered.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await asyncio.wait_for(staying, 5) == 1


async def test_only_what_is_there_is_remembered_and_only_so_much() -> None:
    table = Table()
    gathered = Gathered(table.read, kept=1)
    assert [await gathered.get(key) for key in ("a", "a", "nobody", "nobody", "b", "a")] == [1, 1, None, None, 2, 1]
    assert table.asked == [["a"], ["nobody"], ["nobody"], ["b"], ["a"]]


async def test_a_reader_cancelled_before_its_first_step_is_replaced() -> None:
    gathered = Gathered(Table().read)
    lost = asyncio.ensure_future(gathered.get("a"))
    await asyncio.sleep(0)
    assert gathered._reader is not None
    gathered._reader.cancel()
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    assert await asyncio.wait_for(gathered.get("a"), 5) == 1


def test_each_kind_is_one() -> None:
    lookups, table = Lookups(), Table()
    assert lookups.of("x", table.read) is lookups.of("x", table.read)
    assert lookups.of("x", table.read) is not lookups.of("y", table.read)
