"""One request and its answer, as uvicorn runs it, with the visit that admission gave it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.http.admission import Visit

if TYPE_CHECKING:
    from app.http.guarded_protocol import GuardedProtocol

_STREAM: Final = (b"content-type", b"text/event-stream")

ANSWERED: Final[Any] = SimpleNamespace(
    response_started=True,
    response_complete=True,
    disconnected=False,
    keep_alive=True,
    message_event=asyncio.Event(),
)
"""Stands for a request that was turned away: nothing of it is under way."""


class GuardedCycle(RequestResponseCycle):
    """`streams` once the answer is known to be an event stream."""

    def __init__(self, connection: GuardedProtocol, target: bytes, visit: Visit | None) -> None:
        scope = connection.scope
        version = connection.parser.get_http_version()
        path, _, query = target.partition(b"?")
        scope["method"] = connection.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii")
        scope["raw_path"] = path
        scope["query_string"] = query
        super().__init__(
            scope=scope,
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=False,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=connection.expect_100_continue,
            keep_alive=version != "1.0" and connection.parser.should_keep_alive(),
            on_response=connection.on_response_complete,
        )
        self.visit = visit
        self.streams = False

    async def send(self, message: Any) -> None:
        """Pass it on; the first message tells admission what this has become."""
        if not self.response_started and message["type"] == "http.response.start":
            self.streams = any(
                name == _STREAM[0] and value.startswith(_STREAM[1]) for name, value in message.get("headers", ())
            )
            if self.visit is not None:
                self.visit.answering(message["status"], self.streams, self.scope["state"])
        await super().send(message)

    def ended(self, task: asyncio.Task[None]) -> None:
        """The application has returned, or was cut off."""
        del task
        if self.visit is not None:
            self.visit.leave()
