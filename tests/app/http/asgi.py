"""Requests without a server."""

from starlette.requests import Request
from starlette.types import Message


def request_with(body: bytes, content_type: str | None) -> Request:
    """A POST whose body arrives at once."""
    headers = [(b"content-type", content_type.encode())] if content_type is not None else []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
