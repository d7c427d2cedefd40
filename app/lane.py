"""The lane: commands that arrive together are committed together, and none can harm its neighbours.

Generic on purpose: what a group writes is the business of the function it is given, which opens one transaction,
answers each command with a result or a refusal, and commits before it returns (design, decision 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.errors import Unavailable

C = TypeVar("C")
R = TypeVar("R")

CommitGroup = Callable[[Sequence[C]], Awaitable[Sequence[R | Exception]]]


GIVE_UP_AFTER: Final = 5.0
"""Seconds after which a group whose tries meet passing faults only is not divided any further."""


@dataclass
class _Waiting(Generic[C, R]):
    command: C
    answer: asyncio.Future[R]


class Lane(Generic[C, R]):
    """A bounded queue in front of `commit_group`.

    `commit_group` returns one outcome per command, in order: a result, or the exception that this command alone
    deserves. If it raises, what became of the group is not known: it is split and replayed until the command at fault
    stands alone (idempotent commands make the replay safe). A fault of a `passing` kind may be nobody's (a database
    that is away, a deadlock): a command that stands alone is tried once more, and after too many in a row all that is
    left is refused. `Unavailable` refuses the whole group at once.
    """

    def __init__(
        self,
        commit_group: CommitGroup[C, R],
        *,
        capacity: int = 2048,
        largest_group: int = 64,
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        self._commit_group = commit_group
        self._passing = passing
        self._queue: asyncio.Queue[_Waiting[C, R]] = asyncio.Queue(maxsize=capacity)
        self._largest_group = largest_group
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, command: C) -> R:
        """The result of `command` once its group is durable; raises `Unavailable` when the queue is full or closed."""
        if self._closed:
            raise Unavailable(retry_after=2)
        waiting = _Waiting[C, R](command, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Unavailable(retry_after=1) from None
        return await waiting.answer

    def start(self) -> None:
        """Begin to commit groups in the background of the running loop."""
        self._closed = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lane")

    async def stop(self) -> None:
        """Refuse new commands, commit what is queued, and end."""
        self._closed = True
        if self._task is None:
            return
        await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < self._largest_group and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                await self._settle(group)
            except Exception as fault:  # noqa: BLE001 (outcomes that do not fit: who comes after must not wait for ever)
                for waiting in group:
                    _refuse(waiting, fault)
            finally:
                for _ in group:
                    self._queue.task_done()

    async def _settle(self, group: list[_Waiting[C, R]]) -> None:
        """In the order of arrival, which is the order of their numbers; so the later half waits for the earlier one."""
        waiting, in_a_row = [group], 0
        # from the whole group down to a command that stands alone, which is tried twice
        hopeless = len(group).bit_length() + 2
        late = asyncio.get_running_loop().time() + GIVE_UP_AFTER
        while waiting:
            part = waiting.pop()
            fault = await self._try(part)
            if fault is None:
                in_a_row = 0
                continue
            in_a_row = in_a_row + 1 if isinstance(fault, self._passing) else 0
            if (
                isinstance(fault, Unavailable)
                or in_a_row >= hopeless
                or (in_a_row and asyncio.get_running_loop().time() > late)
            ):
                _refuse_all([part, *waiting], fault)
                return
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            elif in_a_row == 0 or (fault := await self._try(part)) is not None:
                _refuse_all([part], fault)

    async def _try(self, group: list[_Waiting[C, R]]) -> Exception | None:
        """Commit and answer; gives what went wrong with the group, if it was not committed."""
        try:
            outcomes = await self._commit_group([waiting.command for waiting in group])
        except Exception as fault:  # noqa: BLE001 (whatever it was, it belongs to somebody of the group)
            return fault
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _refuse(waiting, outcome)
            elif not waiting.answer.done():
                waiting.answer.set_result(outcome)
        return None


def _refuse_all(groups: Sequence[list[_Waiting[C, R]]], fault: Exception) -> None:
    for group in groups:
        for waiting in group:
            _refuse(waiting, fault)


def _refuse(waiting: _Waiting[C, R], fault: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(fault)
