"""A flood as a process of its own, of lower priority than the server: as many requests as were ordered, answers ignored.

Standard input holds the plan as one JSON line; the outcome is one JSON line. In a head, `{address}` stands for an
address that differs with each request, `{token}` for an invented token.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

FIRST_WORDS = b"HTTP/1.1 "


@dataclass
class Outcome:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    refused_ms: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    sent: int = 0
    cut: int = 0

    def as_json(self, seconds: float) -> dict[str, Any]:
        """Rates and percentiles."""
        slow = sorted(self.refused_ms)
        return {
            "statuses": {str(status): number for status, number in self.statuses.items()},
            "offered_per_second": round(self.sent / seconds),
            "served_per_second": round(self.statuses[200] / seconds),
            "refused_p50_ms": slow[len(slow) // 2] if slow else 0.0,
            "refused_p99_ms": slow[len(slow) * 99 // 100] if slow else 0.0,
            "without_retry_after": self.without_retry_after,
            "cut": self.cut,
        }


class Flooder(asyncio.Protocol):
    """One connection that asks again when it has an answer, in its share of the flood's rate at most.

    With `fresh` it takes a new connection each time.
    """

    def __init__(self, plan: Mapping[str, Any], outcome: Outcome) -> None:
        self._plan = plan
        self._outcome = outcome
        self._heads: list[str] = plan["heads"]
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._asked = False
        self._sent_at = 0.0
        self._every = plan["connections"] / plan["per_second"]
        self._due = 0.0
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask_when_due()

    def _ask_when_due(self) -> None:
        """Who is late does not catch up: an answer that took long must not be followed by a burst."""
        now = time.perf_counter()
        wait = self._due - now
        self._due = max(now, self._due) + self._every
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        if self.ended or self._transport.is_closing():
            self._transport.abort()
            return
        head = self._heads[self._outcome.sent % len(self._heads)]
        if "{" in head:
            address = f"{random.randrange(1, 224)}.{random.randrange(256)}.{random.randrange(256)}.7"
            head = head.replace("{address}", address).replace("{token}", secrets.token_urlsafe(32))
        self._received = b""
        self._asked = True
        self._outcome.sent += 1
        self._sent_at = time.perf_counter()
        self._transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        head = head.lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length and len(body) < int(length):
            return
        self._answered(int(head[9:12]), b"\r\nretry-after: " in head)
        if self._plan.get("fresh") or b"\r\nconnection: close" in head or not length:
            assert self._transport is not None
            self._transport.abort()
        else:
            self._ask_when_due()

    def _answered(self, status: int, again: bool) -> None:
        self._asked = False
        self._outcome.statuses[status] += 1
        if status in (408, 429, 503):
            self._outcome.refused_ms.append(round((time.perf_counter() - self._sent_at) * 1000, 2))
            self._outcome.without_retry_after += not again

    def connection_lost(self, exc: Exception | None) -> None:
        self._outcome.cut += self._asked and not self.ended
        self._asked = False
        if not self.ended:
            asyncio.get_running_loop().create_task(self.connect())

    def begins_at(self, at: float) -> None:
        """No request before this time (as `perf_counter`): not all connections begin in one moment."""
        self._due = at

    async def connect(self) -> None:
        """Again and again."""
        while not self.ended:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._plan["port"])
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


async def flood(plan: Mapping[str, Any]) -> dict[str, Any]:
    """For `seconds`, with so many `connections`."""
    outcome = Outcome()
    flooders = [Flooder(plan, outcome) for _ in range(plan["connections"])]
    begun = time.perf_counter()
    for number, flooder in enumerate(flooders):
        flooder.begins_at(begun + number / plan["per_second"])
    await asyncio.gather(*(flooder.connect() for flooder in flooders))
    await asyncio.sleep(plan["seconds"])
    seconds = time.perf_counter() - begun
    for flooder in flooders:
        flooder.ended = True
    return outcome.as_json(seconds)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(flood(json.loads(sys.stdin.readline())))))
