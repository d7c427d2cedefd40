"""When a session has been idle for too long, by the bank's policy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from app.permissions import Level
from app.policy import Sessions

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


def scopes_of(stored: str) -> frozenset[str] | None:
    """A session's scopes as an actor carries them; None for one that is not narrowed."""
    return None if stored == EVERY_SCOPE else frozenset(stored.split())


def idle_limit(terms: Sessions, kind: str, level: int) -> timedelta:
    """How long the session may do nothing before it locks (customer) or ends (staff)."""
    if kind == STAFF:
        return terms.staff.idle
    if level >= Level.L2:
        return terms.customer(level).idle
    return terms.visitor


def is_idle(terms: Sessions, session: SessionFacts, now: datetime) -> bool:
    """Whether it has done nothing for too long; an API token has only its lifetime."""
    return session.kind != API and now - session.last_seen_at > idle_limit(terms, session.kind, session.level)
