"""The whole answer to a request that no application sees: a problem with the fixed headers."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from app.http.fixed_headers import FIXED_HEADERS, NOT_STORED, NOTHING_LOADS
from app.http.problems import MEDIA_TYPE, Problem
from app.http.request_ids import new_request_id

AGAIN_AFTER: Final = {408: 1, 503: 5}
"""Seconds after which a client may try again, where nobody knows better."""
_PLACE: Final = "0" * len(new_request_id())


def refusal_bytes(status: int, seconds: int = 0, *, close: bool = True, body: bool = True) -> bytes:
    """Status line, headers and problem; `seconds` become Retry-After, `body` is False for an answer to HEAD."""
    head, problem = _template(status, seconds or AGAIN_AFTER.get(status, 0), close)
    request_id = new_request_id().encode()
    whole = b"%b%b\r\n\r\n%b" % (head, request_id, problem.replace(_PLACE.encode(), request_id))
    return whole if body else whole[: -len(problem)]


@lru_cache(maxsize=256)
def _template(status: int, seconds: int, close: bool) -> tuple[bytes, bytes]:
    """The answer up to the request id in its last header, and the problem with a place for the id."""
    problem = Problem.of_status(status).body(_PLACE)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(problem)).encode()),
        *FIXED_HEADERS,
        NOT_STORED,
        NOTHING_LOADS,
    ]
    if close:
        headers.append((b"connection", b"close"))
    if seconds:
        headers.append((b"retry-after", str(seconds).encode()))
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"x-request-id: ", problem
