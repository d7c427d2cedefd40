"""Look-ups that arrive together are answered by one query, which begins after the question was asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

ReadMany = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
LARGEST_QUERY = 128


class Gathered(Generic[K, V]):
    """One kind of look-up. Who asks while a query is under way waits for the next one, never for the one before.

    The newest `kept` answers are remembered: for what never changes once it is there, and for nothing else.
    """

    def __init__(self, read_many: ReadMany[K, V], kept: int = 0) -> None:
        self._read_many = read_many
        self._kept = kept
        self._known: OrderedDict[K, V] = OrderedDict()
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """What `key` has now, None if nothing; raises what the query raised."""
        if key in self._known:
            return self._known[key]
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._read(), name="look-ups")
        # shielded: others may wait for the same answer
        return await asyncio.shield(answer)

    async def _read(self) -> None:
        while self._waiting:
            asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:LARGEST_QUERY]}
            await self._answer(asked)

    async def _answer(self, asked: Mapping[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._read_many(list(asked))
        except Exception as fault:  # noqa: BLE001 (it belongs to those who asked)
            for answer in asked.values():
                answer.set_exception(fault)
                answer.exception()  # its asker may be gone
        except BaseException:
            for answer in asked.values():
                answer.cancel()
            raise
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
            if self._kept:
                self._known.update(found)
                while len(self._known) > self._kept:
                    self._known.popitem(last=False)


class Lookups:
    """The gathered look-ups of one running service, each made at its first use."""

    def __init__(self) -> None:
        self._kinds: dict[str, Gathered[Any, Any]] = {}

    def of(self, kind: str, read_many: ReadMany[K, V], kept: int = 0) -> Gathered[K, V]:
        """The look-up of this name; made of `read_many` and `kept` if it is new."""
        gathered = self._kinds.get(kind)
        if gathered is None:
            gathered = self._kinds[kind] = Gathered(read_many, kept)
        return cast("Gathered[K, V]", gathered)
