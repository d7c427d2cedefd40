"""Carries wake-ups between the processes of one installation by PostgreSQL's LISTEN/NOTIFY.

Only "look again": topics are names of rooms and queues, never content, and each may be lost, since every listener also
looks by itself. They leave in batches on a connection of their own, after the commit and outside every transaction, and
only while another process has been heard of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final, cast

import psycopg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ids import new_id
from app.postgres_link import FAR_END
from app.services import Clock
from app.wakeups import Wakeups

_log = structlog.get_logger("riserbo.wakeups")
CHANNEL: Final = "riserbo_wakeups"
GATHER: Final = 0.005
BEAT: Final = 5.0
OTHERS_FOR: Final = 16.0
LARGEST: Final = 7900
"""Bytes of one payload; PostgreSQL takes fewer than 8000."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
HELLO: Final = "?"

Connection = psycopg.AsyncConnection[Any]


class Bridge:
    """One process's end: a connection that listens and one that tells, each made anew when it is lost."""

    def __init__(self, wakeups: Wakeups, engine: AsyncEngine, clock: Clock) -> None:
        self._wakeups, self._engine = wakeups, engine
        self._name = new_id(clock()).hex
        self._outgoing: dict[str, None] = {}
        self._something = asyncio.Event()
        self._heard = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin in the running loop."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._wakeups.outward = self._send
        self._tasks = [
            loop.create_task(self._keep(self._listen), name="wake-ups in"),
            loop.create_task(self._keep(self._tell), name="wake-ups out"),
        ]

    async def stop(self) -> None:
        """Carry nothing more."""
        self._wakeups.outward = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _send(self, topic: str) -> None:
        if asyncio.get_running_loop().time() - self._heard < OTHERS_FOR:
            self._outgoing[topic] = None
            self._something.set()

    async def _keep(self, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Use a connection for ever; after a fault another one, with growing pauses."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = loop.time()
            try:
                connection = await self._connected()
                try:
                    await use(connection)
                finally:
                    with suppress(Exception):
                        await connection.close()
            except Exception as fault:  # noqa: BLE001 (whatever it was, the next connection may be better)
                _log.warning("wakeups_cut", error=type(fault).__name__)
            pause = FIRST_PAUSE if loop.time() - begun > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _connected(self) -> Connection:
        _, options = self._engine.dialect.create_connect_args(self._engine.url)
        name = "riserbo wake-ups"
        return await psycopg.AsyncConnection.connect(
            **{**FAR_END, **cast("dict[str, Any]", options), "autocommit": True, "application_name": name}
        )

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        # Whoever is there answers, and is told from now on.
        self._heard = asyncio.get_running_loop().time()
        self._send(HELLO)
        async for notice in connection.notifies():
            self._take(notice.payload)

    def _take(self, payload: str) -> None:
        origin, _, topics = payload.partition(" ")
        if origin == self._name:
            return
        self._heard = asyncio.get_running_loop().time()
        for topic in topics.split():
            if topic == HELLO:
                self._something.set()
            else:
                self._wakeups.wake(topic)

    async def _tell(self, connection: Connection) -> None:
        while True:
            # What gathers in a few milliseconds leaves together, and with nothing to say that we are there.
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._something.wait()
            await asyncio.sleep(GATHER)
            self._something.clear()
            topics, self._outgoing = self._outgoing, {}
            for payload in payloads(self._name, topics):
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))


def payloads(origin: str, topics: Iterable[str]) -> list[str]:
    """As few payloads as hold the topics, which have no spaces, each with its origin; at least one, to be heard of."""
    found = [origin]
    for topic in topics:
        if len(found[-1].encode()) + 1 + len(topic.encode()) > LARGEST:
            found.append(origin)
        found[-1] += f" {topic}"
    return found


def bridge_for(engine: AsyncEngine, wakeups: Wakeups, clock: Clock) -> Bridge | None:
    """The bridge of a process on PostgreSQL; SQLite has one process only."""
    return Bridge(wakeups, engine, clock) if engine.dialect.name == "postgresql" else None
