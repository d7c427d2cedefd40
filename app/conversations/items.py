"""What a room's stream carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.conversations.queries import Entry
from app.http.event_stream import Event

CLOSING: Final = "closing"
SLOW_READER: Final = "slow_reader"


@dataclass(frozen=True)
class ReadUpTo:
    """The other side has read up to `n`; carries no number of its own, since only the latest matters."""

    n: int


@dataclass(frozen=True)
class Quiet:
    """Nothing happened for a while; says only that the stream is still there."""


@dataclass(frozen=True)
class Ended:
    """The stream is over: `code` as in the error tree, `closing` when the service stops, `slow_reader`.

    `last` is the number to go on behind, `retry` after how many milliseconds, at this server or another.
    """

    code: str
    last: int = field(default=0, compare=False)
    retry: int = field(default=1000, compare=False)


StreamItem = Entry | ReadUpTo | Quiet | Ended


def last_event(item: Ended) -> Event:
    """The end as an event. One who did nothing wrong goes on behind its id, wherever the address leads then."""
    if item.code in (CLOSING, SLOW_READER):
        return Event("end", {"code": item.code}, item.last, item.retry)
    return Event("end", {"code": item.code}, retry=item.retry)
