"""Several processes of one installation on one PostgreSQL, and readers of their streams over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from app.bench.ground import Ground
from app.bench.rooms import Room
from app.bench.serving import NotServing
from tests.support.judge import Judge, ledger_in
from tests.support.ledger import Client, Crowd, Ledger, Place
from tests.support.places import agents_place, customers_place
from tests.support.postgres import PostgresServer
from tests.support.prepared import moved_to
from tests.support.presence import come_in_on_postgres
from tests.support.warm_serving import Mother, WarmServed

ROOMS = 4
BRIDGES = "application_name = 'riserbo wake-ups'"


@dataclass
class Event:
    """One event as it came, and when."""

    name: str
    data: dict[str, Any]
    id: int | None
    retry: int | None
    at: float


class Listener:
    """Reads one stream until it ends; `events` without comments."""

    def __init__(self, place: Place, after: int = 0) -> None:
        self.place = place
        self.events: list[Event] = []
        self.ended_at = 0.0
        self._after = after
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    @property
    def numbers(self) -> list[int]:
        return [event.id for event in self.events if event.id is not None and event.name != "end"]

    @property
    def texts(self) -> dict[str, float]:
        """When each text came."""
        return {event.data["text"]: event.at for event in self.events if event.name == "message"}

    async def until(self, holds: Callable[[], bool], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._changed.clear()
                if self._task.done():
                    self._task.result()
                    raise AssertionError(f"the stream ended after {self.events[-1:]}")
                await self._changed.wait()

    async def over(self, seconds: float = 15.0) -> Event:
        """Its last event, once the server has closed it."""
        async with asyncio.timeout(seconds):
            await asyncio.shield(self._task)
        return self.events[-1]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        place = self.place
        path = "/room/events" if place.side == "customer" else f"/api/v1/conversations/{place.room}/events"
        proof = f"Cookie: {place.cookie}={place.token}" if place.cookie else f"Authorization: Bearer {place.token}"
        head = [f"GET {path} HTTP/1.1", f"Host: {place.host}", proof, "Accept: text/event-stream"]
        head += [f"Last-Event-ID: {self._after}", "X-Forwarded-For: 10.9.9.9"]
        reader, writer = await asyncio.open_connection(*place.line)
        try:
            writer.write("\r\n".join([*head, "", ""]).encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert answer.startswith("HTTP/1.1 200 "), answer
            buffer = b""
            while piece := await _chunk(reader):
                *whole, buffer = (buffer + piece).split(b"\n\n")
                for block in whole:
                    self._take(block.decode())
        finally:
            self.ended_at = time.monotonic()
            self._changed.set()
            writer.close()

    def _take(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            number = int(fields["id"]) if "id" in fields else None
            retry = int(fields["retry"]) if "retry" in fields else None
            self.events.append(Event(fields["event"], json.loads(fields["data"]), number, retry, time.monotonic()))
            self._changed.set()


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readline(), 16)
    piece = await reader.readexactly(size + 2)
    return piece[:-2]


@dataclass
class Town:
    """The processes and who talks to them; `main` is the conninfo of the main database for the superuser."""

    ground: Ground
    main: str
    ledger: Ledger
    judge: Judge
    servers: list[WarmServed]
    workers: list[WarmServed]
    chance: random.Random
    listeners: list[Listener] = field(default_factory=list)
    clients: dict[tuple[str, tuple[str, int]], Client] = field(default_factory=dict)

    def customer(self, server: WarmServed, room: Room) -> Place:
        return customers_place(self.ground, server, room)

    def agent(self, server: WarmServed, room: Room) -> Place:
        return agents_place(self.ground, server, room)

    def listen(self, place: Place, after: int = 0) -> Listener:
        listener = Listener(place, after)
        self.listeners.append(listener)
        return listener

    async def say(self, place: Place) -> str:
        """One message, acknowledged; returns its text."""
        client = self._client(place)
        wish = client._wish(place, "plain")
        assert await client.until_known(wish) == "ok"
        return wish.text

    def crowd(self, *servers: WarmServed) -> Crowd:
        """At each server one program of the agent in all rooms, and every customer."""
        crowd = []
        for number, server in enumerate(servers):
            everywhere = [self.agent(server, room) for room in self.ground.rooms]
            crowd.append(self._named(f"agent{number}", everywhere))
            crowd += [
                self._named(f"customer{number}-{place}", [self.customer(server, room)])
                for place, room in enumerate(self.ground.rooms)
            ]
        return Crowd(crowd)

    def _client(self, place: Place) -> Client:
        """One journal for each writer, room and door: the judge holds its messages to their order."""
        key = (f"{place.side}-{place.room}", place.line)
        if key not in self.clients:
            self.clients[key] = self._named(f"{key[0]}-{len(self.clients)}", [place])
        return self.clients[key]

    def _named(self, name: str, places: list[Place]) -> Client:
        return Client(name, self.ledger, places, random.Random(self.chance.getrandbits(64)), oddities=0.0)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.main, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    async def bridges(self, count: int) -> set[int]:
        """Until so many connections carry wake-ups; their process ids."""
        async with asyncio.timeout(20):
            while True:
                rows = await asyncio.to_thread(self.rows, f"SELECT pid FROM pg_stat_activity WHERE {BRIDGES}")
                if len(rows) >= count:
                    return {row[0] for row in rows}
                await asyncio.sleep(0.05)

    async def look(self) -> None:
        """Compare what was acknowledged with what is stored; the workers may still be signing."""
        await asyncio.to_thread(lambda: self.judge.look(whole=True))


async def started(*processes: WarmServed) -> None:
    for one in processes:
        one.start()
    for one in processes:
        await asyncio.to_thread(one.ready, 60.0)


@contextlib.asynccontextmanager
async def town(
    prepared: tuple[Ground, tuple[str, str]], folder: Path, server: PostgresServer, mother: Mother
) -> AsyncIterator[Town]:
    """Two servers and two workers on a copy of the installation, none of them started yet."""
    ground, kept = prepared
    shutil.copytree(ground.folder, folder / "house")
    names = [server.new_database(name) for name in kept]
    urls = [server.url(name) for name in names]
    ground = moved_to(ground, folder / "house", urls)
    processes = []
    for number, role in enumerate(["doors", "doors", "worker", "worker"]):
        log = folder / f"{role}-{number}.log"
        served = WarmServed(folder / "house", environment=ground.environment, role=role, log=log)
        served.mother = mother
        processes.append(served)
    ledger = ledger_in(folder / "outside")
    direct = server.conninfo(names[0]), server.conninfo(names[1])
    come_in_on_postgres(direct[0])
    judge = Judge(ground.settings(), ledger, direct)
    chance = random.Random(7)
    it = Town(ground, direct[0], ledger, judge, processes[:2], processes[2:], chance)
    try:
        yield it
    finally:
        for listener in it.listeners:
            await listener.close()
        for client in it.clients.values():
            client.close()
        for served in processes:
            with contextlib.suppress(NotServing):
                await asyncio.to_thread(served.kill)
        ledger.close()
        for name in names:
            server.drop_database(name)
