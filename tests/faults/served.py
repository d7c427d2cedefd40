"""A served installation whose process meets faults, with the clients, ledger and judge of the suites of crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.bench.ground import Ground
from app.bench.serving import NotServing, Served
from tests.support.judge import Judge, ledger_in
from tests.support.ledger import Client, Crowd, Ledger, Place
from tests.support.places import agents_place, places_of
from tests.support.presence import come_in_on_sqlite
from tests.support.wire_client import Answer, Line

STAFF_CLIENTS: Final = 4


@dataclass
class Bank:
    """One running installation and who writes to it."""

    ground: Ground
    served: Served
    crowd: Crowd
    judge: Judge
    ledger: Ledger

    async def ask(self, path: str, *, method: str = "GET", login: str = "anna") -> tuple[Answer, float]:
        """One request of a member of staff; the answer and the seconds that it took."""
        line = Line((self.served.staff.host, self.served.staff.port), self.ground.staff_host)
        begun = time.monotonic()
        answer = await line.request(method, path, {"authorization": f"Bearer {self.ground.staff[login].token}"}, b"")
        line.close()
        return answer, time.monotonic() - begun

    async def post(self, text: str, key: str, *, room: int = 0) -> tuple[Answer, float]:
        """One message of an agent, in the ledger like any other; the answer and the seconds that it took.

        What was not acknowledged is unknown: post it again before the judge looks.
        """
        place = self.place(room)
        about = {"client": "probe", "key": key, "side": "staff", "room": place.room, "text": text}
        path, headers, body = place.request(text, key, "10.9.8.7", None)
        self.ledger.write("invoke", **about)
        line, begun = Line(place.line, place.host), time.monotonic()
        answer = await line.post(path, headers, body)
        line.close()
        told = {name: value for name, value in answer.json().items() if name in ("n", "id", "state")}
        self.ledger.write("ok" if answer.status == 201 else "unknown", **about, **told)
        return answer, time.monotonic() - begun

    def place(self, room: int = 0) -> Place:
        return agents_place(self.ground, self.served, self.ground.rooms[room])

    async def until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for something that the crowd brings about; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 (what it waits for happens in another process)
                await asyncio.sleep(0.01)

    async def judged(self) -> None:
        """Every outcome known, then ledger and databases compared, all of them."""
        await self.crowd.quiet()
        assert not self.crowd.wrong, f"answers that nobody should get: {self.crowd.wrong[:10]}"
        await asyncio.to_thread(lambda: self.judge.look(whole=True))


@contextlib.asynccontextmanager
async def bank(
    ground: Ground, folder: Path, outside: Path, chance: random.Random, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Bank]:
    """A copy of the installation in `folder` (absent) served under this environment; log and ledger are `outside`."""
    if Path(ground.folder) != folder:
        await asyncio.to_thread(shutil.copytree, ground.folder, folder)
    ground = replace(ground, folder=str(folder))
    if not ground.databases.main:
        come_in_on_sqlite(folder)
    ledger = ledger_in(outside)
    served = Served(folder, environment={**ground.environment, **(environment or {})}, log=outside / "served.log")
    clients = [
        Client(name, ledger, places, random.Random(chance.getrandbits(64)))
        for name, places in places_of(ground, served, STAFF_CLIENTS).items()
    ]
    crowd = Crowd(clients)
    try:
        served.start()
        await asyncio.to_thread(served.ready, 90.0)
        yield Bank(ground, served, crowd, Judge(ground.settings(), ledger), ledger)
        await crowd.stop()
    finally:
        with contextlib.suppress(NotServing):
            served.kill()
        ledger.close()


def fill(path: Path, *, leave: int) -> int:
    """Let a file grow until only `leave` bytes are free on its disk; by how much it grew."""
    disk = os.statvfs(path.parent)
    wanted = max(disk.f_bavail * disk.f_frsize - leave, 0)
    block, size = bytes(1 << 20), 0
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while size < wanted:
            size += file.write(block[: min(len(block), wanted - size)])
    return size
