"""Watches the wall clock against the machine's own, which nobody can set, and mends what a jump leaves behind.

Order never rests on a clock. But what was to happen "in a minute" by a clock that was ahead would wait for hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from app.actors import SYSTEM
from app.audit.service import record
from app.database import transaction
from app.notifications.astray import pull_back
from app.services import Services

NOTICED: Final = 2.0
"""Seconds; a clock that is kept by slewing never differs so much, and one that is stepped by less harms nobody."""


class ClockWatch:
    """Compares the two clocks at each round; remembers how they stood when it last said something."""

    def __init__(self, services: Services, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._monotonic = monotonic
        self._stood: tuple[datetime, float] | None = None

    async def round(self) -> None:
        """A leaf for a jump since the last one; then, jump or not, nothing may wait for a time far ahead."""
        wall, own = self._services.clock(), self._monotonic()
        stood_wall, stood_own = self._stood or (wall, own)
        seconds = (wall - stood_wall).total_seconds() - (own - stood_own)
        if abs(seconds) >= NOTICED:
            async with transaction(self._services) as db:
                record(db, "log.clock_jumped", stream="log", actor=SYSTEM, data={"seconds": round(seconds)})
        if self._stood is None or abs(seconds) >= NOTICED:
            self._stood = wall, own
        await pull_back(self._services)
