"""How large a request body may be and how long it may take to arrive; the server itself limits neither."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import Problem

MAX_BODY = 64 * 1024
BODY_SECONDS = 10.0


class _BodyRefused(HTTPException):
    """Ends whatever reads the body. An HTTPException, because FastAPI turns other errors into a 400 of its own."""


class BodyLimits:
    """Refuses a body over `max_bytes` (413) or not complete after `seconds` (408), and closes the connection.

    `overrides` gives other limits, in bytes, to paths that begin so; the longest match counts.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int = MAX_BODY,
        seconds: float = BODY_SECONDS,
        overrides: Mapping[str, int] | None = None,
    ) -> None:
        self.app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._overrides = sorted((overrides or {}).items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted and timed."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        limit = next((size for start, size in self._overrides if scope["path"].startswith(start)), self._max_bytes)
        counted = _CountedBody(scope, receive, send, limit, self._seconds)
        if counted.declared_size() > limit:
            counted.refused = 413
        else:
            try:
                await self.app(scope, counted.receive, counted.send)
            except Exception:
                # Our own refusal surfaces in whatever form the reader gave it.
                if not counted.refused:
                    raise
        if counted.refused and not counted.started:
            await Problem.of_status(counted.refused, headers={"Connection": "close"}).response(scope)(
                scope, receive, send
            )
        return None


class _CountedBody:
    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, seconds: float) -> None:
        self._headers = scope["headers"]
        self._receive = receive
        self._send = send
        self._limit = limit
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._complete = False
        self.refused = 0
        self.started = False

    def declared_size(self) -> int:
        declared = next((value for name, value in self._headers if name == b"content-length"), b"0")
        return int(declared[:20]) if declared.isdigit() else 0

    async def receive(self) -> Message:
        if self._complete:
            # What follows is the wait for a disconnect, as long as the answer streams.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(408) from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise self._refuse(413)
        self._complete = not message.get("more_body", False)
        return message

    def _refuse(self, status: int) -> _BodyRefused:
        self.refused = status
        return _BodyRefused(status)

    async def send(self, message: Message) -> None:
        if self.refused and not self.started:
            return
        self.started = True
        await self._send(message)
