"""Somebody who reads a room's stream in the background."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.conversations.queries import Entry
from app.conversations.stream import RoomStream, StreamItem, closing
from tests.support.house import House


class Reader:
    """Somebody who reads a stream in the background."""

    def __init__(self) -> None:
        self.items: list[StreamItem] = []
        self._changed = asyncio.Event()

    def take(self, item: StreamItem) -> None:
        self.items.append(item)
        self._changed.set()

    async def until(self, wanted: Callable[[list[StreamItem]], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not wanted(self.items):
                self._changed.clear()
                await self._changed.wait()

    @property
    def numbers(self) -> list[int]:
        return [item.n for item in self.items if isinstance(item, Entry)]

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items if isinstance(item, Entry) and item.text]


async def _pump(stream: RoomStream, reader: Reader) -> None:
    async with closing(stream) as items:
        async for item in items:
            reader.take(item)


@asynccontextmanager
async def reading(stream: RoomStream) -> AsyncIterator[Reader]:
    reader = Reader()
    task = asyncio.create_task(_pump(stream, reader))
    try:
        yield reader
    finally:
        cut_off = task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # Cut off in the middle of a connect, aiosqlite leaves a connection to the collector, which complains aloud.
        # A collection late in a run of thousands of tests takes a second: not for streams that came to their end.
        if cut_off:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


async def leaf_of(house: House, event: str) -> None:
    """Until there is one; the stream writes it in its own time."""
    for _ in range(250):
        if await house.leaves(event):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(event)
