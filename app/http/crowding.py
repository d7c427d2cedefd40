"""How crowded this process is, and who may begin a request in it.

Requests of clients that keep well within their budget begin at once. All others share places. While a turn of the event
loop takes too long, or too many requests are under way, the places shrink to one: these requests wait behind the prompt
ones for a moment, and leave pauses; if that is not enough, a client is prompt only some time after its last request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Final

LOOK_EVERY: Final = 0.01
LOOKS: Final = 5
LONGEST_TURN: Final = 0.002
MANY: Final = 16
MOST_PLACES: Final = 64
MOST_WAITING: Final = 32
LONGEST_WAIT: Final = 0.02
FEW: Final = 4
WAIT_OF_FEW: Final = 1.0
"""So few are no crowd, whatever makes the loop slow: one visitor of a small machine is served late, not turned away."""
QUIET_LOOKS: Final = 100
LONGEST_GAP: Final = 2.0
FIRST_GAP: Final = 0.25
PROMPT_LATELY: Final = 1.0
PAUSES: Final = 6
BUSIEST: Final = 0.8
"""Share of the time that the loop may work while prompt clients and others are served side by side."""
LONGEST_PAUSE: Final = 0.1

Begin = Callable[[bool], None]
"""Called once: whether the request may begin now, or is turned away."""


class Crowding:
    """The places of one process. All methods are called in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[float, Begin]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._looks: list[float] = []
        self._counted_from = (0.0, 0.0)
        self._quiet = 0
        self._short = False
        self._shared = False
        self._prompt_at = 0.0
        self._next_other_at = 0.0
        self.places = MOST_PLACES
        self._gap = 0.0
        self.prompt = 0
        self.other = 0

    @property
    def is_crowded(self) -> bool:
        """Whether places were taken away because the loop turns slowly."""
        return self.places < MOST_PLACES

    @property
    def gap(self) -> float:
        """How many seconds after its last request a client counts as prompt again: none, except in the worst crowd."""
        return max(self._gap, FIRST_GAP) if self.prompt > MANY else self._gap

    def enter_prompt(self) -> None:
        """A request that nothing holds up."""
        self.prompt += 1
        self._prompt_at = perf_counter()
        self._watch()

    def leave_prompt(self) -> None:
        """It has ended."""
        self.prompt -= 1
        self._admit()

    def enter_other(self, begin: Begin) -> bool:
        """A request that takes one of the places; False when even the places to wait are taken.

        `begin` is called at once, within `LONGEST_WAIT`, or within `WAIT_OF_FEW` while few wait; who began calls
        `leave_other` at its end.
        """
        self._watch()
        if not self._waiting and self._has_place(perf_counter(), 0):
            self.other += 1
            begin(True)
            return True
        self._short = True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append((perf_counter(), begin))
        return True

    def leave_other(self, spent: float) -> None:
        """It has ended, after so many seconds."""
        self.other -= 1
        self._shared = True
        now = perf_counter()
        if self.is_crowded and now - self._prompt_at < PROMPT_LATELY:
            # For a multiple of the time it took nothing of its kind follows: most of the loop is for the prompt ones.
            self._next_other_at = now + min(spent * PAUSES, LONGEST_PAUSE)
        self._admit()

    def _has_place(self, now: float, waited: float) -> bool:
        if self.other >= self.places or now < self._next_other_at:
            return False
        # In a crowd the prompt ones go first; whoever has waited long gets one place beside them, or would starve.
        return not self.is_crowded or not self.prompt or (not self.other and waited > LONGEST_WAIT / 2)

    def _admit(self) -> None:
        now = perf_counter()
        while self._waiting:
            since, begin = self._waiting[0]
            waited = now - since
            is_late = waited > (LONGEST_WAIT if len(self._waiting) > FEW else WAIT_OF_FEW)
            if not is_late and not self._has_place(now, waited):
                return
            self._waiting.popleft()
            if is_late:
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
            # A slow loop, or one that is quick because all wait for something behind it.
            self._adjust(
                sorted(self._looks)[LOOKS // 2] > LONGEST_TURN or self.prompt + self.other > MANY, self._busy()
            )
            self._looks.clear()
        self._admit()
        self._quiet = 0 if self.prompt or self.other or self._waiting else self._quiet + 1
        if self._quiet > QUIET_LOOKS:
            self._timer = None
            self.places = MOST_PLACES
            self._gap = 0.0
        else:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)

    def _busy(self) -> bool:
        """Whether the loop has hardly rested since this was asked last, while prompt clients and others were here."""
        (at, used), now = self._counted_from, (perf_counter(), thread_time())
        self._counted_from = now
        return now[1] - used > BUSIEST * (now[0] - at) and now[0] - self._prompt_at < PROMPT_LATELY

    def _adjust(self, crowded: bool, busy: bool) -> None:
        if crowded and self.places == 1 and self.prompt > 1:
            self._gap = min(LONGEST_GAP, self._gap * 2 + LONGEST_GAP / 32)
        elif not crowded:
            self._gap = self._gap * 0.95 if self._gap > LONGEST_GAP / 64 else 0.0
        if crowded or (busy and (self._short or self._shared)):
            # What holds the loop now is what is under way now.
            self.places = max(1, min(self.places, self.other) * 2 // 3)
        elif self._short or self.is_crowded:
            self.places = min(MOST_PLACES, self.places + max(1, self.places // 8))
        self._short = self._shared = False
