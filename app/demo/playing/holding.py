"""What a step demands: facts that hold now, and facts that come true within a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")
LONGEST_WAIT: Final = 20.0
BETWEEN_LOOKS: Final = 0.05


class DidNotHold(Exception):
    """A step has shown something else than it must; the message says what."""


def require(holds: object, otherwise: str) -> None:
    """Raise `DidNotHold` with `otherwise` unless `holds`."""
    if not holds:
        raise DidNotHold(otherwise)


def present(value: T | None, otherwise: str) -> T:
    """The value; raises `DidNotHold` with `otherwise` for None."""
    if value is None:
        raise DidNotHold(otherwise)
    return value


async def until(look: Callable[[], Awaitable[T | None]], what: str, *, seconds: float = LONGEST_WAIT) -> T:
    """The first true answer of `look`; raises `DidNotHold` naming `what` when none came in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        found = await look()
        if found:
            return found
        await asyncio.sleep(BETWEEN_LOOKS)
    raise DidNotHold(f"{what}: not within {seconds:.0f} seconds")
