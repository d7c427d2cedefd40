"""Work that waits for a time which only a clock set wrongly can have named: it is due now."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import case, literal, or_, update

from app.database import transaction
from app.notifications.models import OutboxRow
from app.notifications.service import LEASE
from app.services import Services

ASTRAY: Final = timedelta(minutes=15)
"""Longer than the longest pause before another try, and than any lease."""


async def pull_back(services: Services) -> None:
    """Nothing waits longer than it could by this clock; a lease from the future is over."""
    now = services.clock()
    leased = OutboxRow.locked_until > now + LEASE + ASTRAY
    late = OutboxRow.run_at > now + ASTRAY
    async with transaction(services) as db:
        await db.execute(
            update(OutboxRow)
            .where(OutboxRow.done_at.is_(None), or_(leased, late))
            .values(
                run_at=case((late, literal(now)), else_=OutboxRow.run_at),
                locked_until=case((leased, literal(None)), else_=OutboxRow.locked_until),
            )
        )
