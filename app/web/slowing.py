"""Slows a network that writes too fast; never blocks it, since one address may stand for thousands of phones.

Plain traffic only, in this process's memory: what bounds guessing is counted in the database, per account and customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.binding.rules import network_of
from app.http.problems import Problem
from app.limits.rates import TrafficLimit

LONGEST_PAUSE: Final = 2.0
WRITES_PER_MINUTE: Final = 240
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class SlowDown:
    """A write beyond the rate waits up to two seconds; beyond that it gets 429 with the seconds to wait."""

    def __init__(self, app: ASGIApp, *, clock: Callable[[], datetime], per_minute: int = WRITES_PER_MINUTE) -> None:
        self.app = app
        self._clock = clock
        self._limit = TrafficLimit(per_minute, timedelta(minutes=1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, sooner or later."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            return await self.app(scope, receive, send)
        client = scope.get("client")
        network = network_of(client[0] if client else "")
        wait = self._limit.wait_needed(network, self._clock())
        if wait > LONGEST_PAUSE:
            refusal = Problem.of_status(429, headers={"Retry-After": str(ceil(wait))})
            return await refusal.response(scope)(scope, receive, send)
        if wait > 0:
            await asyncio.sleep(wait)
        return await self.app(scope, receive, send)
