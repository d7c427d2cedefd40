"""Writes what comes together in one transaction. A task lives only while something waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

_log = structlog.get_logger("riserbo.rooms")
T = TypeVar("T")
TRIES: Final = 5
PAUSE: Final = 0.5


class Gathering(Generic[T]):
    """Items in the order of their coming, written in groups of `largest` with `rest` seconds between two.

    A group that cannot be written is tried again: what it says must not be lost with one broken connection.
    """

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[None]], *, rest: float = 0.0, largest: int = 128
    ) -> None:
        self._write, self._rest, self._largest = write, rest, largest
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, item: T) -> asyncio.Future[None]:
        """Have it written soon; the future is done when it is, or when it was given up."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if not self._is_writing():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="gathering")
        return written

    async def drain(self) -> None:
        """Until everything is written or given up."""
        while self._task is not None and self._is_writing():
            await asyncio.wait([self._task])

    def _is_writing(self) -> bool:
        # Asked of the task itself: one that is cancelled before its first step never reaches a `finally` of its own.
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            await self._settle([item for item, _ in group])
            for _, written in group:
                if not written.done():
                    written.set_result(None)
            await asyncio.sleep(self._rest)

    async def _settle(self, group: Sequence[T]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._write(group)
            except Exception as fault:  # noqa: BLE001 (whatever the database says, the next try may be better)
                _log.warning("not_written", error=type(fault).__name__, attempts=attempt, count=len(group))
                await asyncio.sleep(PAUSE * attempt)
            else:
                return
