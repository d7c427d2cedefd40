"""One line for each request: what was asked of which route, how it ended, how long it took; no word of the client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import METHODS

_log = structlog.get_logger("riserbo.access")


def route_template(scope: Mapping[str, Any]) -> str:
    """The route's pattern with its prefixes, `-` where none matched: a path may hold a case link."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    route = context if context is not None else scope.get("route")
    return str(getattr(route, "path", "-"))


class AccessLog:
    """Writes the line when the answer has ended; a stream's line comes with its end."""

    def __init__(self, app: ASGIApp, *, door: str, counts: Counter[str] | None = None) -> None:
        self.app = app
        self._door = door
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write its line."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        clock = asyncio.get_running_loop().time
        begun, status = clock(), 0

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            if self._counts is not None and status >= 400:
                self._counts[f"{self._door}.{status}"] += 1
            _log.info(
                "request",
                door=self._door,
                method=scope["method"] if scope["method"] in METHODS else "other",
                route=route_template(scope),
                status=status,
                ms=round((clock() - begun) * 1000, 1),
            )
        return None
