"""How long a session may live and idle (identity figures: RTS art. 4, NIST SP 800-63B-4, design decision 9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from app.permissions import Level

VISITOR: Final = "visitor"
STAFF: Final = "staff"
API: Final = "api"


class SessionFacts(Protocol):
    """What decides whether a session lives; a row of it, or the session itself."""

    @property
    def id(self) -> UUID: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def level(self) -> int: ...  # noqa: D102
    @property
    def binding_id(self) -> UUID | None: ...  # noqa: D102
    @property
    def last_seen_at(self) -> datetime: ...  # noqa: D102
    @property
    def expires_at(self) -> datetime: ...  # noqa: D102
    @property
    def ended_at(self) -> datetime | None: ...  # noqa: D102


EVERY_SCOPE: Final = "*"
"""Scopes of a session that is not narrowed: all that the role may. A word of ours; no token from outside can say it."""

SEEN_AT_MOST_EVERY: Final = timedelta(minutes=1)
VISITOR_LIFETIME: Final = timedelta(minutes=60)
STAFF_LIFETIME: Final = timedelta(hours=8)
STAFF_IDLE: Final = timedelta(minutes=15)
API_LIFETIME: Final = timedelta(hours=8)
CUSTOMER_LIFETIME: Final[dict[Level, timedelta]] = {
    Level.L2: timedelta(hours=8),
    Level.L3: timedelta(minutes=60),
    Level.L4: timedelta(minutes=60),
}
CUSTOMER_IDLE: Final[dict[Level, timedelta]] = {
    Level.L2: timedelta(minutes=15),
    Level.L3: timedelta(minutes=5),
    Level.L4: timedelta(minutes=5),
}


def scopes_of(stored: str) -> frozenset[str] | None:
    """A session's scopes as an actor carries them; None for one that is not narrowed."""
    return None if stored == EVERY_SCOPE else frozenset(stored.split())


def idle_limit(kind: str, level: int) -> timedelta:
    """How long the session may do nothing before it locks (customer) or ends (staff)."""
    if kind == STAFF:
        return STAFF_IDLE
    if level >= Level.L2:
        return CUSTOMER_IDLE[Level(level)]
    return VISITOR_LIFETIME


def is_idle(kind: str, level: int, last_seen_at: datetime, now: datetime) -> bool:
    """Whether it has done nothing for too long; an API token has only its lifetime."""
    return kind != API and now - last_seen_at > idle_limit(kind, level)
