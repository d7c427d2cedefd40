"""A live stream as its reader sees it: what has arrived so far, and waiting for what must arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from app.demo.playing.holding import LONGEST_WAIT, DidNotHold, require
from app.demo.playing.http_client import Streaming

UNNUMBERED: Final = frozenset({"read", "end"})


@dataclass
class LiveStream:
    """The events of one connection, in the order of arrival."""

    events: list[httpx2.ServerSentEvent] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_id(self) -> str:
        """The newest number that came, as `Last-Event-ID` says it."""
        return next((event.id for event in reversed(self.events) if event.id), "")

    def texts(self) -> list[str]:
        """The texts of the messages so far."""
        return [document_of(event)["text"] for event in self.events if event.event == "message"]

    def numbers(self) -> list[int]:
        """The numbers in the room, in the order of arrival; what has none carries the id of what came before it."""
        return [int(event.id) for event in self.events if event.id and event.event not in UNNUMBERED]

    def everything(self) -> str:
        """All that came, for looking for what must not be there."""
        return "\n".join(event.data for event in self.events)

    def arrive(self, event: httpx2.ServerSentEvent) -> None:
        """Take one event."""
        self.events.append(event)
        self._arrived.set()

    async def wait_for(self, wanted: Callable[[httpx2.ServerSentEvent], bool], what: str) -> httpx2.ServerSentEvent:
        """The first event that is `wanted`, waiting for it; raises `DidNotHold` naming `what`."""
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                while True:
                    self._arrived.clear()
                    for event in self.events:
                        if wanted(event):
                            return event
                    await self._arrived.wait()
        except TimeoutError:
            raise DidNotHold(f"{what}: it did not come by the stream") from None

    async def wait_for_text(self, text: str) -> dict[str, Any]:
        """The message with this text, as it came."""

        def is_it(event: httpx2.ServerSentEvent) -> bool:
            return event.event == "message" and bool(document_of(event)["text"] == text)

        return document_of(await self.wait_for(is_it, "a message"))


def document_of(event: httpx2.ServerSentEvent) -> dict[str, Any]:
    """What an event carries."""
    document: dict[str, Any] = json.loads(event.data)
    return document


@asynccontextmanager
async def listening(streaming: Streaming) -> AsyncIterator[LiveStream]:
    """Read a stream while the block runs; leaving it cuts the connection, as a lost network does."""
    stream = LiveStream()
    async with streaming as response:
        require(response.status_code == 200, f"the stream answered {response.status_code}")

        async def read() -> None:
            async for event in httpx2.EventSource(response):
                stream.arrive(event)

        reader = asyncio.create_task(read())
        try:
            yield stream
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
