"""How crowded this process is: the turn of its event loop, and who may begin a request in it.

Requests of clients that keep within their budget begin at once. All others share places whose number follows the loop:
while a turn takes too long it shrinks to one, and these requests wait behind the prompt ones for a moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

LOOK_EVERY: Final = 0.01
LOOKS: Final = 5
LONGEST_TURN: Final = 0.002
MOST_PLACES: Final = 64
MOST_WAITING: Final = 32
LONGEST_WAIT: Final = 0.02
QUIET_LOOKS: Final = 100

Begin = Callable[[bool], None]
"""Called once: whether the request may begin now, or is turned away."""


class Crowding:
    """The places of one process. All methods are called in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[float, Begin]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._looks: list[float] = []
        self._quiet = 0
        self._short = False
        self.places = MOST_PLACES
        self.prompt = 0
        self.other = 0

    @property
    def is_crowded(self) -> bool:
        """Whether places were taken away because the loop turns slowly."""
        return self.places < MOST_PLACES

    def enter_prompt(self) -> None:
        """A request that nothing holds up."""
        self.prompt += 1
        self._watch()

    def leave_prompt(self) -> None:
        """It has ended."""
        self.prompt -= 1
        self._admit()

    def enter_other(self, begin: Begin) -> bool:
        """A request that takes one of the places; False when even the places to wait are taken.

        `begin` is called at once or within `LONGEST_WAIT`; who began calls `leave_other` at its end.
        """
        self._watch()
        if not self._waiting and self._has_place(0):
            self.other += 1
            begin(True)
            return True
        self._short = True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append((perf_counter(), begin))
        return True

    def leave_other(self) -> None:
        """It has ended."""
        self.other -= 1
        self._admit()

    def _has_place(self, waited: float) -> bool:
        if self.other >= self.places:
            return False
        # In a crowd the prompt ones go first; whoever has waited long gets one place beside them, or would starve.
        return not self.is_crowded or not self.prompt or (not self.other and waited > LONGEST_WAIT / 2)

    def _admit(self) -> None:
        now = perf_counter()
        while self._waiting:
            since, begin = self._waiting[0]
            waited = now - since
            if waited <= LONGEST_WAIT and not self._has_place(waited):
                return
            self._waiting.popleft()
            if waited > LONGEST_WAIT:
                begin(False)
            else:
                self.other += 1
                begin(True)

    def _watch(self) -> None:
        self._quiet = 0
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        # From here to the next turn everything that is ready runs once: that is what a request waits at each step.
        self._loop.call_soon(self._looked, perf_counter())

    def _looked(self, begun: float) -> None:
        self._looks.append(perf_counter() - begun)
        if len(self._looks) == LOOKS:
            self._adjust(sorted(self._looks)[LOOKS // 2])
            self._looks.clear()
        self._admit()
        self._quiet = 0 if self.prompt or self.other or self._waiting else self._quiet + 1
        if self._quiet > QUIET_LOOKS:
            self._timer = None
            self.places = MOST_PLACES
        else:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)

    def _adjust(self, turn: float) -> None:
        if turn > LONGEST_TURN:
            # What holds the loop now is what is under way now.
            self.places = max(1, min(self.places, self.other) * 2 // 3)
        elif self._short or self.places < MOST_PLACES:
            self.places = min(MOST_PLACES, self.places + 1)
        self._short = False
