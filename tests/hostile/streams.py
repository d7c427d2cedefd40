"""Many open event streams as a process of its own: opens them, counts what arrives, holds them.

Standard input: one JSON line with the plan, then one line for each command: `count`, or the end. Answers are JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import uvloop

AT_ONCE: Final = 40
TRIES: Final = 60
PORTS_OF_ONE_ADDRESS: Final = 20_000


class Stream(asyncio.Protocol):
    """One stream; with `deaf` it never reads after its head."""

    def __init__(self, crowd: Crowd, head: bytes) -> None:
        self._crowd = crowd
        self._head = head
        self._begun = b""
        self.opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._begun += data
            if b"\r\n\r\n" not in self._begun:
                return
            fine = self._begun.startswith(b"HTTP/1.1 200") and b"text/event-stream" in self._begun
            self._crowd.open += fine
            if not fine:
                self._crowd.refused += 1
                self._crowd.last_refusal = self._begun[:12].decode()
                self._transport.abort()
            self.opened.set_result(fine)
            data = self._begun
            if self._crowd.deaf:
                self._transport.pause_reading()
        if self._crowd.mark in data:
            self._crowd.marks.append(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)
            self._crowd.refused += 1
        elif self.opened.result():
            self._crowd.cut += 1


class Crowd:
    """All streams of one plan: `heads` are used in turn, `count` times in all."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.deaf: bool = plan.get("deaf", False)
        self.mark: bytes = plan.get("mark", "\0").encode()
        self.marks: list[float] = []
        self.open = self.refused = self.cut = 0
        self.last_refusal = ""

    async def gather(self) -> None:
        """Open all, some at a time."""
        places = asyncio.Semaphore(AT_ONCE)
        heads = [head.encode() for head in self.plan["heads"]]

        async def one(number: int) -> None:
            for _ in range(TRIES):
                async with places:
                    if await self._open(number, heads[number % len(heads)]):
                        return
                await asyncio.sleep(1)

        await asyncio.gather(*(one(number) for number in range(self.plan["count"])), return_exceptions=True)

    async def _open(self, number: int, head: bytes) -> bool:
        loop = asyncio.get_running_loop()
        plug = socket.socket()
        plug.setblocking(False)
        if self.deaf:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.bind((f"127.0.0.{2 + number // PORTS_OF_ONE_ADDRESS}", 0))
        await loop.sock_connect(plug, ("127.0.0.1", self.plan["port"]))
        _, stream = await loop.create_connection(lambda: Stream(self, head), sock=plug)
        return await asyncio.wait_for(stream.opened, 30)

    def as_json(self) -> str:
        """What there is now."""
        return json.dumps(
            {
                "open": self.open,
                "refused": self.refused,
                "cut": self.cut,
                "marks": self.marks,
                "last_refusal": self.last_refusal,
            }
        )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    crowd = Crowd(json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    begun = time.monotonic()
    await crowd.gather()
    print(json.dumps({"seconds": round(time.monotonic() - begun, 2)}), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(crowd.as_json(), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
