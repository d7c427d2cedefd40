"""Wake-ups: "look again". The database stays the truth; a lost wake-up only costs a poll interval.

In-process by themselves; `outward` is where a bridge to other processes takes them from.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Follower = Callable[[str], None]


class Wakeups:
    """Topics that streams and the worker wait on, and `stopping`, which ends every stream at once."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.outward: Follower | None = None
        self._listeners: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._followers: list[Follower] = []

    def notify(self, topic: str) -> None:
        """Wake everybody who listens on `topic`, here and elsewhere; call it after the commit, never before."""
        self.wake(topic)
        if self.outward is not None:
            self.outward(topic)

    def wake(self, topic: str) -> None:
        """Wake who listens in this process; for topics that came from another one."""
        for event in self._listeners.get(topic, ()):
            event.set()
        for follower in self._followers:
            follower(topic)

    def follow(self, follower: Follower) -> None:
        """Call `follower` with every topic, for who waits on thousands of them."""
        self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """No more."""
        self._followers.remove(follower)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[asyncio.Event]:
        """An event that `notify(topic)` sets; the listener clears it before it looks."""
        event = asyncio.Event()
        self._listeners[topic].add(event)
        try:
            yield event
        finally:
            self._listeners[topic].discard(event)
            if not self._listeners[topic]:
                del self._listeners[topic]

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event is set, the service stops, or `seconds` have passed."""
        waiters = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.stopping.wait())]
        try:
            await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
            # gathered, not awaited one by one: a cancel of our own caller that comes just now must get through
            await asyncio.gather(*waiters, return_exceptions=True)
