"""JSON bodies read strictly (RFC 8259, I-JSON RFC 7493): one reading of a body, the same for everybody behind it."""

from __future__ import annotations

import json
import re
from email.message import Message
from typing import Any, NoReturn

from starlette.requests import Request

from app.errors import BadRequest, UnsupportedMediaType

MAX_DEPTH = 32
MAX_DIGITS = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class JsonRefused(BadRequest):
    """The body is not JSON as we read it."""

    code = "json_refused"
    message = "The body is not valid JSON."


def read_json(body: bytes) -> Any:
    """The value in `body`; raises JsonRefused for everything that two readers could read differently.

    That is: broken UTF-8, a byte order mark, repeated keys, NaN and infinities, numbers out of range, depth over
    `MAX_DEPTH`, NUL and lone surrogates in strings.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_number,
        )
    except (ValueError, RecursionError):
        raise JsonRefused from None
    _check(value)
    return value


async def strict_json(request: Request) -> None:
    """Dependency of API routes: a body must be declared as JSON (else 415) and read strictly (else 400)."""
    body = await request.body()
    if not body:
        return
    if media_type(request) != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    read_json(body)


def media_type(request: Request) -> str:
    """What the body is declared to be, in UTF-8; "" for what is declared otherwise, twice, or not at all."""
    declared = request.headers.getlist("content-type")
    if len(declared) != 1:
        return ""
    if declared[0] == "application/json":
        return declared[0]
    message = Message()
    message["content-type"] = declared[0]
    charset = message.get_content_charset("utf-8")
    return message.get_content_type() if charset == "utf-8" else ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _check(value: Any) -> None:
    # A stack of our own: recursion is what a deep body attacks.
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise JsonRefused("The body is nested too deeply.")
        if isinstance(item, str) and _UNSTORABLE.search(item):
            raise JsonRefused("The body holds characters that are not text.")
        if isinstance(item, dict):
            waiting += [(key, depth) for key in item]
            waiting += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, list):
            waiting += [(inner, depth + 1) for inner in item]
