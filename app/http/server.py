"""The servers of one process: each door on its own address, one signal for all, streams told to end first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from app.http.admission import Admission
from app.http.doorway import Doorway
from app.http.framing import FramingLimits
from app.http.guarded_protocol import guarded_protocol

_log = structlog.get_logger("riserbo.server")
SEND_BUFFER = 64 * 1024
BACKLOG = 2048
"""Connections that the system keeps until they are taken."""
COLLECT_AFTER = (10_000, 20, 50)
"""New objects until the youngest are looked through; how many such looks until the older ones, and the oldest."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Listener:
    """One door: `hosts` are the values of Host it answers to (`name` or `name:port`), port 0 takes a free one.

    With port 0 a host that ends in `:0` gets the port that was taken.
    """

    name: str
    app: ASGIApp
    hosts: Sequence[str]
    host: str = "127.0.0.1"
    port: int = 0
    limits: FramingLimits = field(default_factory=FramingLimits)
    lifespan: Literal["on", "off"] = "off"
    gate: Admission | None = None


class Running:
    """A listener that is served: `port` is the one taken, `origin` its address with the first host name."""

    def __init__(self, listener: Listener, bound: socket.socket, grace: float) -> None:
        self.listener = listener
        self.port: int = bound.getsockname()[1]
        hosts = [f"{host[:-2]}:{self.port}" if host.endswith(":0") else host for host in listener.hosts]
        self.origin = f"http://{hosts[0]}"
        self._socket = bound
        self._server = _Server(_config(listener, hosts, grace), listener.gate)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve from now on; raises what keeps the application from starting."""
        self._task = asyncio.create_task(self._server.serve([self._socket]), name=f"server {self.listener.name}")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError(f"the server {self.listener.name} did not start")
            await asyncio.sleep(0.01)
        _log.info("listening", door=self.listener.name, host=self.listener.host, port=self.port)

    async def stop(self) -> None:
        """Take no more, wait for what is under way up to the grace time."""
        self._server.should_exit = True
        self._server.ending.set()
        if self._task is not None:
            await self._task
        self._socket.close()

    def force(self) -> None:
        """Do not wait any longer."""
        self._server.force_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, gate: Admission | None) -> None:
        super().__init__(config)
        self._busy: Callable[[], bool] = gate.serves_prompt if gate is not None else lambda: False
        self._doorways: list[Doorway] = []
        self.ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # No server of the loop's own: it takes all connections that wait in one turn.
        await super().startup([])
        protocol = partial(
            cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        self._doorways = [Doorway(bound, protocol, self._busy) for bound in sockets or ()]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before the connections are told: one that came later would hold up the end until it is cut.
        for doorway in self._doorways:
            await doorway.close()
        await super().shutdown(sockets)

    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether to end; waiting costs nothing and ends at once.
        await self.on_tick(0)
        await self.ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Signals are the process's affair: each of several servers would undo the handlers of the others.
        yield


def _config(listener: Listener, hosts: Sequence[str], grace: float) -> uvicorn.Config:
    return uvicorn.Config(
        cast("Any", listener.app),
        http=cast("Any", guarded_protocol(hosts, listener.limits, door=listener.name, gate=listener.gate)),
        ws="none",
        interface="asgi3",
        lifespan=listener.lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=cast("int", grace),
    )


def _bind(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.create_server((listener.host, listener.port), family=family, backlog=BACKLOG)
    # Inherited by every connection: what the kernel would keep for a reader that never reads grows to megabytes.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    bound.setblocking(False)
    return bound


@contextlib.asynccontextmanager
async def serving(
    listeners: Sequence[Listener], stopping: asyncio.Event | None = None, *, grace: float = 1.0
) -> AsyncIterator[list[Running]]:
    """Serve while the block runs. At its end `stopping` is set, and after `grace` seconds the rest is cut.

    Streams wait on `stopping` and end by themselves; a server would else wait for them in vain.
    """
    running: list[Running] = []
    try:
        running.extend(Running(listener, _bind(listener), grace) for listener in listeners)
        for server in running:
            await server.start()
        yield running
    finally:
        if stopping is not None:
            stopping.set()
        await asyncio.gather(*(server.stop() for server in running))


def raise_file_limit() -> int:
    """As many open files as the system allows this process; every connection is one. Returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


@contextlib.contextmanager
def settled_memory() -> Generator[None, None, None]:
    """Keep the garbage collector away from what was built before the doors opened, and let it look more rarely.

    A service of this size has some hundred thousand objects that never go; reading them all again and again took more
    than a quarter of a message's processor time.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def run_servers(listeners: Sequence[Listener], stopping: asyncio.Event, *, grace: float = 1.0) -> None:
    """Serve until SIGTERM or SIGINT, or until somebody sets `stopping`; a second signal waits for nothing."""
    loop = asyncio.get_running_loop()
    running: list[Running] = []

    def on_signal() -> None:
        if stopping.is_set():
            for server in running:
                server.force()
        stopping.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        async with serving(listeners, stopping, grace=grace) as started:
            running += started
            with settled_memory():
                await stopping.wait()
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
