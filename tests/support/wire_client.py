"""One keep-alive HTTP/1.1 connection that knows how far an answer came: a half answer is no answer.

Own code because the suites of faults need to tell "refused" from "cut somewhere", and cost next to nothing themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LONGEST_HEAD: Final = 64 * 1024


class Lost(Exception):
    """No whole answer came: what the request did is not known."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """A connection to one door, opened when needed and again after a fault. `host` is the Host header."""

    def __init__(self, address: tuple[str, int], host: str, *, seconds: float = 10.0) -> None:
        self.address = address
        self.host = host
        self.seconds = seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The whole answer; raises `Lost`, also after `seconds`."""
        return await self.request("POST", path, {**headers, "content-length": str(len(body))}, body)

    async def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        return await self.request("GET", path, headers, b"")

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self.seconds):
                return await self._exchange(method, path, headers, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as fault:
            self.close()
            raise Lost(f"{type(fault).__name__}: {fault}") from None
        except asyncio.CancelledError:
            self.close()
            raise

    async def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(*self.address, limit=LONGEST_HEAD)
        reader, writer = self._streams
        head = [f"{method} {path} HTTP/1.1", f"host: {self.host}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(raw[0].split(" ")[1])
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in raw[1:] if line)}
        content = await reader.readexactly(int(found["content-length"])) if "content-length" in found else b""
        if found.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, found, content)

    def close(self) -> None:
        """Let go of the connection at once."""
        if self._streams is not None:
            with contextlib.suppress(Exception):
                self._streams[1].transport.abort()
        self._streams = None
