"""One id for each request, always made here: a client's own X-Request-Id is never believed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"


def new_request_id() -> str:
    """96 random bits, URL-safe."""
    return secrets.token_urlsafe(12)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id that `RequestIds` gave to this request, `-` outside of one."""
    return str(scope.get("state", {}).get("request_id", "-"))


class RequestIds:
    """Gives the id to `scope["state"]`, to every log line of this request and to the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)
        return None
