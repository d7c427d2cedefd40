"""What is read of a turn of the event loop while somebody's request is under way: little, so that the turn stays short.

A request goes to the database and back a dozen times and waits for one turn each time. When sixty strangers' heads are
ready at once, reading and refusing them in one turn would make each of these ways sixty times as long.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter
from typing import Final

SLICE: Final = 0.0003
"""Seconds of one turn, while a prompt request is under way."""
ALONE: Final = 0.002
"""The same while none is."""

Read = Callable[[bytes], None]


class Intake:
    """Pieces that connections have received and not read yet, in the order of arrival. `busy` as the name says."""

    def __init__(self, loop: asyncio.AbstractEventLoop, busy: Callable[[], bool]) -> None:
        self._loop = loop
        self._busy = busy
        self._pieces: OrderedDict[Read, bytes] = OrderedDict()
        self._due = False

    def take(self, read: Read, data: bytes) -> bool:
        """Keep a piece for one of the next turns; False where it may be read at once."""
        if read in self._pieces:
            self._pieces[read] += data
            return True
        if not self._pieces and not self._busy():
            return False
        self._pieces[read] = data
        self._call()
        return True

    def drop(self, read: Read) -> None:
        """The connection is gone."""
        self._pieces.pop(read, None)

    def _call(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        begun = perf_counter()
        try:
            while self._pieces:
                read, data = self._pieces.popitem(last=False)
                read(data)
                if perf_counter() - begun > (SLICE if self._busy() else ALONE):
                    break
        finally:
            if self._pieces:
                self._call()

    def __contains__(self, read: Read) -> bool:
        return read in self._pieces

    def __len__(self) -> int:
        return len(self._pieces)
