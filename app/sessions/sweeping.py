"""Sessions whose time is over, by either end: they are ended in the database, so that no clock brings them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, or_, update

from app.database import transaction
from app.services import Services
from app.sessions.models import Session

ASTRAY: Final = timedelta(minutes=5)
"""Nobody was seen so far in the future, unless by a clock that was set back since."""


def over(now: datetime) -> ColumnElement[bool]:
    """Past its absolute limit; or seen in the future, so that nobody knows how long it has been idle."""
    return or_(Session.expires_at <= now, Session.last_seen_at > now + ASTRAY)


def is_over(session: Session, now: datetime) -> bool:
    """`over`, of a session at hand."""
    return session.expires_at <= now or session.last_seen_at > now + ASTRAY


async def end_over(services: Services) -> None:
    """End them all, but those of a binding: these leave their room first (`app.binding.sweeping`)."""
    now = services.clock()
    async with transaction(services) as db:
        await db.execute(
            update(Session)
            .where(Session.ended_at.is_(None), Session.binding_id.is_(None), over(now))
            .values(ended_at=now)
        )
