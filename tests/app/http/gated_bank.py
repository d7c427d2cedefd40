"""An application behind a gate of its own, and how a client asks it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from app.http.admission import PROVED, Admission, Standing, TrafficLimits
from app.http.framing import FramingLimits
from app.http.server import Listener, Running, serving
from app.http.session_tokens import TokenPlace
from tests.app.http.wire import HOST

COOKIE = "__Host-session"
SMALL = TrafficLimits(
    staff_per_second=1,
    staff_burst=40,
    staff_streams=3,
    customer_per_second=1,
    customer_burst=20,
    customer_streams=2,
    network_per_second=1,
    network_burst=10,
    network_writes_per_minute=60,
    under_way=16,
    streams=4,
)


@dataclass
class Bank:
    """An application that proves `staff…` and `customer…` tokens, streams at /events and works at /work."""

    gate: Admission
    counts: Counter[str]
    server: Running
    seen: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"") + headers.get(b"cookie", b"")
        self.seen.append(scope["path"])
        if b"staff" in token:
            scope["state"][PROVED] = Standing.STAFF
        elif b"customer" in token:
            scope["state"][PROVED] = Standing.CUSTOMER
        if scope["path"].startswith("/spin"):
            time.sleep(0.004)  # noqa: ASYNC251 (it stands for work that holds the loop)
            await asyncio.sleep(0)
        if scope["path"] == "/work":
            await self.release.wait()
        status = 401 if b"wrong" in token else 200
        kind = b"text/event-stream; charset=utf-8" if scope["path"].endswith("/events") else b"text/plain"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        if status == 200 and scope["path"].endswith("/events"):
            await send({"type": "http.response.body", "body": b": on\n\n", "more_body": True})
            await self.release.wait()
        await send({"type": "http.response.body", "body": b"done"})

    async def ask(self, path: str = "/", *, body: bytes = b"", **more: str) -> tuple[int, dict[str, str]]:
        """One request on a connection of its own, as `head` takes it: status and headers."""
        async with self.connection() as (reader, writer):
            writer.write(head(path=path, body=body, **more) + body)
            return await answer(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield reader, writer
        finally:
            writer.close()


def head(
    method: str = "GET",
    path: str = "/",
    *,
    token: str = "",
    cookie: str = "",
    address: str = "",
    body: bytes = b"",
    more: str = "",
) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", more]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Cookie: language=it; {COOKIE}={cookie}"] if cookie else []
    lines += [f"X-Forwarded-For: {address}"] if address else []
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(line for line in lines if line) + "\r\n\r\n").encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of the next answer; a body of known length is read."""
    async with asyncio.timeout(5):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        headers["body"] = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
    return int(lines[0].split()[1]), headers


@asynccontextmanager
async def opened(limits: TrafficLimits = SMALL) -> AsyncIterator[Bank]:
    """A bank behind a gate, with loopback as its proxy."""
    counts: Counter[str] = Counter()
    gate = Admission(
        limits, tokens={"public": TokenPlace(COOKIE, schemes=("bearer",))}, proxies=["127.0.0.0/8"], counts=counts
    )
    bank = Bank(gate, counts, server=None)  # type: ignore[arg-type]
    short = FramingLimits(header_seconds=1.0, idle_seconds=2.0, body_seconds=2.0)
    listener = Listener("public", bank, (HOST,), limits=short, gate=gate)
    async with serving([listener]) as (server,):
        bank.server = server
        yield bank
        bank.release.set()


async def statuses(bank: Bank, count: int, **request: str) -> list[int]:
    """So many requests one after the other."""
    return [(await bank.ask(**request))[0] for _ in range(count)]  # type: ignore[arg-type]
