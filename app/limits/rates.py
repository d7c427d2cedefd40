"""Rates: GCRA in one statement in the database (guessing, sending)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, literal
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import upsert
from app.limits.models import Rate

MICRO: Final = 1_000_000


async def take(db: AsyncSession, key_hash: bytes, limit: int, per: timedelta, now: datetime) -> bool:
    """Whether one more act fits into `limit` acts per `per`; counts it if so. Atomic over all processes."""
    window = int(per.total_seconds() * MICRO)
    step = window // limit
    at = int(now.timestamp() * MICRO)
    arrival = case((Rate.arrival > at, Rate.arrival), else_=literal(at)) + step
    statement = (
        upsert(db, Rate)
        .values(key_hash=key_hash, arrival=at + step)
        .on_conflict_do_update(index_elements=["key_hash"], set_={"arrival": arrival}, where=arrival - at <= window)
        .returning(Rate.arrival)
    )
    return (await db.execute(statement)).scalar_one_or_none() is not None
