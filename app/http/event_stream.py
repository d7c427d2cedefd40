"""Server-sent events as a plain ASGI answer: one task and one waiting receiver a stream, no generators in between.

FastAPI's own answer runs a task group with two buffers for each stream; with ten thousand of them that is what costs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Item_co = TypeVar("Item_co", covariant=True)
COMMENT: Final = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; without a name it is a comment, which only keeps the connection open. `retry` in milliseconds."""

    name: str | None = None
    data: Mapping[str, object] | None = None
    id: int | None = None
    retry: int | None = None

    def encoded(self) -> bytes:
        """As it crosses the wire (HTML standard, 9.2): JSON has no line breaks, so data is one line."""
        if self.name is None:
            return COMMENT
        lines = [f"event: {self.name}", f"data: {json.dumps(self.data, separators=(',', ':'))}"]
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        return ("\n".join(lines) + "\n\n").encode()


class Items(Protocol[Item_co]):
    """What is streamed; `aclose` is called however the stream ends."""

    def __aiter__(self) -> AsyncIterator[Item_co]:
        """Itself."""
        ...

    async def aclose(self) -> None:
        """Give up what the stream holds; ends a `__anext__` that waits."""
        ...


class EventStream(Response):
    """`items`, each turned into an event by `event_of`, until they end or the client goes."""

    media_type = "text/event-stream"

    def __init__(self, items: Items[Any], event_of: Callable[[Any], Event], status_code: int = 200) -> None:
        super().__init__(status_code=status_code, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._items, self._event_of = items, event_of

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end; a client that goes away ends the items, so that nothing is sent to nobody."""
        gone = asyncio.get_running_loop().create_task(_gone(receive, self._items))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for item in self._items:
                await send(_chunk(self._event_of(item).encoded(), more=True))
            await send(_chunk(b"", more=False))
        finally:
            gone.cancel()
            await self._items.aclose()


def _chunk(body: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _gone(receive: Receive, items: Items[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    await items.aclose()
