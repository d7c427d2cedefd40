"""A served installation under load, with its ledger and its judge: what the suites of crashes do harm to."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.bench.ground import Ground, prepare
from app.bench.serving import NotServing
from tests.support.judge import Judge, ledger_in
from tests.support.ledger import Client, Crowd
from tests.support.places import places_of
from tests.support.postgres import OWNER, DurablePostgres
from tests.support.prepared import moved_to, prepare_on_postgres
from tests.support.presence import come_in_on_postgres, come_in_on_sqlite
from tests.support.soak import SOAK, percentile
from tests.support.tcp_proxy import TcpProxy, proxy_to, to_unix
from tests.support.warm_serving import Mother, WarmServed

ROOMS: Final = 6
STAFF_CLIENTS: Final = 5


@dataclass(frozen=True)
class Prepared:
    """An installation that nobody serves: its ground, and the names of its databases where they lie on a server."""

    mother: Mother
    ground: Ground
    names: tuple[str, str] | None = None
    postgres: DurablePostgres | None = None


async def prepared_on_sqlite(mother: Mother, folder: Path) -> Prepared:
    return Prepared(mother, await prepare(folder, ROOMS))


async def prepared_on_postgres(mother: Mother, folder: Path, postgres: DurablePostgres) -> Prepared:
    ground, names = await prepare_on_postgres(postgres.server, folder, ROOMS)
    return Prepared(mother, ground, names, postgres)


@dataclass
class Rig:
    """A copy of a prepared installation, served by a child process, with eleven clients who write."""

    ground: Ground
    served: WarmServed
    crowd: Crowd
    judge: Judge
    proxy: TcpProxy | None = None
    names: tuple[str, str] | None = None
    cold_starts: list[float] = field(default_factory=list)
    warm_starts: list[float] = field(default_factory=list)

    async def start(self, *, cold: bool = SOAK) -> None:
        """Start the server and wait until it is ready. A cold start, imports included, counts for the figures."""
        begun = time.monotonic()
        self.served.cold = cold
        self.served.start()
        await asyncio.to_thread(self.served.ready, 60.0)
        (self.cold_starts if cold else self.warm_starts).append(round(time.monotonic() - begun, 3))

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self.served.kill)

    def figures(self) -> dict[str, object]:
        """What every suite keeps."""
        return {
            "leaves": self.judge.leaves,
            "messages_judged": self.judge.judged,
            "restart_to_ready_seconds": {
                "starts": len(self.cold_starts),
                "p50": percentile(self.cold_starts, 0.5),
                "p99": percentile(self.cold_starts, 0.99),
            },
            **self.crowd.figures(),
        }

    async def look(self, *, whole: bool = False) -> None:
        """Bring every client to rest, compare ledger and databases, let them go on."""
        await self.crowd.quiet()
        assert not self.crowd.wrong, f"answers that nobody should get: {self.crowd.wrong[:10]}"
        await asyncio.to_thread(lambda: self.judge.look(whole=whole))
        if not whole:
            self.crowd.go_on()


@contextlib.asynccontextmanager
async def rig(
    prepared: Prepared, folder: Path, chance: random.Random, *, proxied: bool = False, **options: float
) -> AsyncIterator[Rig]:
    """Not started yet; everything is gone at the end, the copied databases included."""
    async with contextlib.AsyncExitStack() as stack:
        proxy, names, direct, urls = None, None, None, list[str]()
        shutil.copytree(prepared.ground.folder, folder)
        if prepared.postgres is None:
            come_in_on_sqlite(folder)
        else:
            assert prepared.names is not None
            server = prepared.postgres.server
            names = server.new_database(prepared.names[0]), server.new_database(prepared.names[1])
            for name in names:
                stack.callback(server.drop_database, name)
            direct = server.conninfo(names[0]), server.conninfo(names[1])
            host, port = str(server.folder), 5432
            if proxied:
                proxy = await stack.enter_async_context(proxy_to(to_unix(prepared.postgres.socket_path)))
                host, port = "127.0.0.1", proxy.port
            come_in_on_postgres(direct[0])
            urls = [f"postgresql+psycopg://{OWNER}@/{name}?host={host}&port={port}" for name in names]
        ground = moved_to(prepared.ground, folder, urls)
        ledger = ledger_in(folder.parent / f"{folder.name}-outside")
        stack.callback(ledger.close)
        served = WarmServed(folder, environment=ground.environment, log=folder.parent / f"{folder.name}.log")
        served.mother = prepared.mother
        stack.callback(_end, served)
        clients = [
            Client(name, ledger, places, random.Random(chance.getrandbits(64)), **options)
            for name, places in places_of(ground, served, STAFF_CLIENTS).items()
        ]
        crowd = Crowd(clients)
        stack.push_async_callback(crowd.drop)
        yield Rig(ground, served, crowd, Judge(ground.settings(), ledger, direct), proxy, names)
        await crowd.stop()


def _end(served: WarmServed) -> None:
    with contextlib.suppress(NotServing):
        served.kill()
