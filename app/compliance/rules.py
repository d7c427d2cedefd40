"""Pure decisions about exports: their scopes, their states, what counts as a reason, what a leaf can name."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.compliance.errors import ReasonNeeded, ScopeUnclear

SHORTEST_REASON: Final = 5
LONGEST_REASON: Final = 500
MOST_STREAMS: Final = 4000
"""So many streams keep a leaf, and with it `scope.json`, below the megabyte that a verifier reads in one piece."""

Head = tuple[str, int, str]
"""A stream, its last number, and the hash of that leaf in hexadecimal."""


class Scope(StrEnum):
    """What an export is about."""

    LOG = "log"
    ROOM = "room"


class State(StrEnum):
    """Where an export stands; the last two are final."""

    REQUESTED = "requested"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


def checked_reason(reason: str) -> str:
    """The reason on one line of printable text; raises `ReasonNeeded`."""
    line = " ".join(reason.split())
    if not SHORTEST_REASON <= len(line) <= LONGEST_REASON or not line.isprintable():
        raise ReasonNeeded
    return line


def checked_scope(scope: str, conversation_id: UUID | None) -> Scope:
    """The scope, with a room exactly where it needs one; raises `ScopeUnclear`."""
    if scope not in set(Scope) or (scope == Scope.ROOM) != (conversation_id is not None):
        raise ScopeUnclear
    return Scope(scope)


def nameable(scope: Scope, heads: Sequence[Head]) -> list[Head]:
    """The heads that the export's own leaf names.

    For a room all of them, since they alone prove that nothing was left out. The whole log is proved complete by its
    checkpoint; where it has more streams than a leaf can hold, its leaf names only the log's own.
    """
    if scope == Scope.LOG and len(heads) > MOST_STREAMS:
        return [head for head in heads if head[0] == "log"]
    return list(heads)
