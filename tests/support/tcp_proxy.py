"""A TCP proxy on loopback that can cut, delay, swallow, refuse, or stop after so many bytes of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from tests.support.ports import listening_socket, port_of

CHUNK: Final = 64 * 1024
Upstream = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class TcpProxy:
    """Stands between a client and `upstream`; each switch holds for connections old and new."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._listener = listening_socket()
        self.port = port_of(self._listener)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusing = False
        """New connections are closed at once."""
        self.delay = 0.0
        """Seconds that each piece waits, in both directions."""
        self.swallowing = False
        """What the server says is taken and never passed on; what the client says still arrives."""
        self.answer_bytes: int | None = None
        """The next connection passes on so many bytes of the server's words and is reset; those after it are whole."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    def cut(self) -> int:
        """Reset every connection, on both sides; returns how many there were."""
        count = len(self._open)
        for client, server in list(self._open.items()):
            _reset(client)
            _reset(server)
        return count

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.refusing:
                _reset(client)
                return
            budget, self.answer_bytes = self.answer_bytes, None
            try:
                answers, server = await self._upstream()
            except OSError:
                _reset(client)
                return
            self._open[client] = server
            try:
                await self._both_ways(reader, client, answers, server, budget)
            finally:
                self._open.pop(client, None)
                _reset(client)
                _reset(server)
        except asyncio.CancelledError:
            _reset(client)
        finally:
            self._tasks.discard(task)

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        budget: int | None,
    ) -> None:
        """Until either side ends: then both do."""
        ways = [
            asyncio.create_task(self._pass_on(reader, server, None, swallow=False)),
            asyncio.create_task(self._pass_on(answers, client, budget, swallow=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, budget: int | None, *, swallow: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if swallow and self.swallowing:
                    # once something is missing, the rest of this connection must never arrive
                    while await source.read(CHUNK):
                        pass
                    return
                if budget is not None:
                    data, budget = data[:budget], budget - len(data)
                target.write(data)
                await target.drain()
                if budget is not None and budget <= 0:
                    return


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(Exception):
        writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy_to(upstream: Upstream) -> AsyncIterator[TcpProxy]:
    """A running proxy, gone at the end."""
    proxy = TcpProxy(upstream)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


def to_unix(path: str) -> Upstream:
    """The other side is a Unix socket."""
    return lambda: asyncio.open_unix_connection(path)


def to_tcp(host: str, port: int) -> Upstream:
    """The other side is a TCP port."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reader, writer

    return connect
