"""What befalls the PostgreSQL under a served installation, one fault at a time; each ends with the server up again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg

from tests.crashes.rig import Rig
from tests.support.postgres import DurablePostgres
from tests.support.soak import in_every_run_or_soak
from tests.support.tcp_proxy import TcpProxy

Fault = Callable[[], Awaitable[None]]


@dataclass
class Nemesis:
    """The faults by name, over one PostgreSQL, the proxy in front of it and the databases that are used."""

    postgres: DurablePostgres
    proxy: TcpProxy
    names: tuple[str, str]
    chance: random.Random

    @classmethod
    def of(cls, it: Rig, postgres: DurablePostgres, chance: random.Random) -> Nemesis:
        assert it.proxy is not None
        assert it.names is not None
        return cls(postgres, it.proxy, it.names, chance)

    def faults(self) -> dict[str, Fault]:
        return {
            "postmaster killed": self.postmaster_killed,
            "immediate shutdown": self.immediate_shutdown,
            "backend killed": self.backend_killed,
            "backend terminated": self.backend_terminated,
            "connections cut": self.connections_cut,
            "answers swallowed": self.answers_swallowed,
            "network slow": self.network_slow,
            "server paused": self.server_paused,
            "pool exhausted": self.pool_exhausted,
            "connections refused": self.connections_refused,
        }

    async def postmaster_killed(self) -> None:
        """SIGKILL to the postmaster and every child; away for a moment; recovery from the write-ahead log."""
        await asyncio.to_thread(self.postgres.kill)
        await self._moment(0.3, 0.9)
        await asyncio.to_thread(self.postgres.start)

    async def immediate_shutdown(self) -> None:
        """SIGQUIT: PostgreSQL's own way to drop everything."""
        await asyncio.to_thread(self.postgres.quit)
        await self._moment(0.1, 0.5)
        await asyncio.to_thread(self.postgres.start)

    async def backend_killed(self) -> None:
        """SIGKILL to one backend: the postmaster drops all others and recovers."""
        backends = await asyncio.to_thread(self.postgres.backends, self.names)
        if backends:
            self.postgres.kill_backend(self.chance.choice(backends))
        await asyncio.to_thread(self.postgres.wait_until_up)

    async def backend_terminated(self) -> None:
        """An administrator ends every connection."""
        await asyncio.to_thread(self._terminate)

    async def connections_cut(self) -> None:
        """A firewall forgets: all connections are reset, twice."""
        for _ in range(2):
            self.proxy.cut()
            await self._moment(0.0, 0.2)

    async def answers_swallowed(self) -> None:
        """Statements arrive, commits too; no answer comes back. In the end the connections break."""
        self.proxy.swallowing = True
        await self._moment(0.2, 1.0)
        self.proxy.swallowing = False
        self.proxy.cut()

    async def network_slow(self) -> None:
        """Each packet waits."""
        self.proxy.delay = self.chance.uniform(0.01, 0.1)
        await self._moment(0.5, 1.5)
        self.proxy.delay = 0.0

    async def server_paused(self) -> None:
        """SIGSTOP to all of PostgreSQL, and on."""
        await asyncio.to_thread(self.postgres.pause)
        await self._moment(*in_every_run_or_soak((0.5, 2.0), (1.0, 8.0)))
        await asyncio.to_thread(self.postgres.go_on)

    async def pool_exhausted(self) -> None:
        """Somebody else holds a lock that everybody needs, until the app's pools are empty and callers give up."""
        seconds = self.chance.uniform(*in_every_run_or_soak((1.0, 6.5), (1.0, 8.0)))
        await asyncio.to_thread(self._lock_for, seconds)

    async def connections_refused(self) -> None:
        """PostgreSQL lives, the way to it does not."""
        self.proxy.refusing = True
        self.proxy.cut()
        await self._moment(0.2, 1.0)
        self.proxy.refusing = False

    async def _moment(self, least: float, most: float) -> None:
        await asyncio.sleep(self.chance.uniform(least, most))

    def _lock_for(self, seconds: float) -> None:
        with psycopg.connect(self.postgres.server.conninfo(self.names[0])) as connection:
            connection.execute("SET lock_timeout = '10s'")
            connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def _terminate(self) -> None:
        with psycopg.connect(self.postgres.server.conninfo(), autocommit=True) as connection:
            statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)"
            connection.execute(statement, [list(self.names)])
