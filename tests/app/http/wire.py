"""Raw requests over a real socket against a guarded server with short deadlines."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.body_limits import BodyLimits
from app.http.framing import FramingLimits
from app.http.server import Listener, Running, serving

HOST = "bank.localhost"
LARGE = 8_000_000
SHORT = FramingLimits(header_seconds=0.4, idle_seconds=0.4, body_seconds=0.9, stall_seconds=0.5)


@dataclass
class Recorder:
    """An application that keeps what reached it and echoes the body."""

    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    disconnects: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        if scope["path"] == "/wait":
            await self.release.wait()
        if scope["path"] != "/unread":
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.disconnects += 1
                    return
                body += message.get("body", b"")
                more = message.get("more_body", False)
        self.seen.append((scope["method"], scope["path"], body))
        answer = b"x" * LARGE if scope["path"] == "/large" else body
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@dataclass
class Wire:
    """A server under attack."""

    app: Recorder
    server: Running

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that is closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def raw(self, *parts: bytes, pause: float = 0.05, seconds: float = 4.0) -> bytes:
        """Send the parts with pauses, until refused, and return all that comes back until the server closes."""
        async with self.connected() as (reader, writer), asyncio.timeout(seconds):
            with suppress(ConnectionError):
                for number, part in enumerate(parts):
                    if number:
                        await asyncio.sleep(pause)
                    writer.write(part)
                    await writer.drain()
            return await reader.read()


def statuses(answer: bytes) -> list[int]:
    """The status of each answer in the stream."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def problem(answer: bytes) -> dict[str, Any]:
    """The problem in a refusal, which must look like one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    value: dict[str, Any] = json.loads(body)
    assert value["status"] == statuses(answer)[0]
    return value


@asynccontextmanager
async def wired(limits: FramingLimits = SHORT, *, body_seconds: float = 0.5, **more: Any) -> AsyncIterator[Wire]:
    """A server on a free port, its application behind `BodyLimits`."""
    app = Recorder()
    limited: ASGIApp = BodyLimits(app, seconds=body_seconds, max_bytes=10_000, overrides={"/big": 100_000})
    listener = Listener("public", limited, (HOST, f"{HOST}:0"), limits=replace(limits, **more))
    async with serving([listener]) as (server,):
        yield Wire(app, server)
