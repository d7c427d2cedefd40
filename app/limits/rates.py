"""Rates: GCRA in one statement in the database (guessing, sending)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, delete, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import upsert
from app.limits.models import Rate

MICRO: Final = 1_000_000
ASTRAY: Final = 600
"""Seconds by which no two hosts' clocks differ, nor one clock from itself, unless somebody set it."""
MOST_FORGOTTEN: Final = 1000


async def take(db: AsyncSession, key_hash: bytes, limit: int, per: timedelta, now: datetime) -> bool:
    """Whether one more act fits into `limit` acts per `per`; counts it if so. Atomic over all processes."""
    window = int(per.total_seconds() * MICRO)
    step = window // limit
    at = int(now.timestamp() * MICRO)
    # Further ahead than the window it was stored by a clock that was ahead: who met it then must not wait for it now.
    astray = Rate.arrival > at + window + ASTRAY * MICRO
    arrival = case((astray, literal(at)), (Rate.arrival > at, Rate.arrival), else_=literal(at)) + step
    statement = (
        upsert(db, Rate)
        .values(key_hash=key_hash, arrival=at + step)
        .on_conflict_do_update(index_elements=["key_hash"], set_={"arrival": arrival}, where=arrival - at <= window)
        .returning(Rate.arrival)
    )
    return (await db.execute(statement)).scalar_one_or_none() is not None


async def give_back(db: AsyncSession, key_hash: bytes, limit: int, per: timedelta) -> None:
    """The act that was taken last does not count after all."""
    step = int(per.total_seconds() * MICRO) // limit
    await db.execute(
        update(Rate)
        .where(Rate.key_hash == key_hash)
        .values(arrival=Rate.arrival - step)
        .execution_options(synchronize_session=False)
    )


async def is_spent(db: AsyncSession, key_hash: bytes, limit: int, per: timedelta, now: datetime) -> bool:
    """Whether `take` would refuse one more act now; takes nothing."""
    window, at = int(per.total_seconds() * MICRO), int(now.timestamp() * MICRO)
    arrival = (await db.execute(select(Rate.arrival).where(Rate.key_hash == key_hash))).scalar_one_or_none()
    if arrival is None or arrival > at + window + ASTRAY * MICRO:
        return False
    return max(arrival, at) + window // limit - at > window


async def forget_old(db: AsyncSession, now: datetime) -> None:
    """Remove rates that are full again: they allow what one allows that was never used. One in use just now stays."""
    full = select(Rate.key_hash).where(Rate.arrival <= int(now.timestamp() * MICRO))
    await db.execute(
        delete(Rate).where(Rate.key_hash.in_(full.limit(MOST_FORGOTTEN).with_for_update(skip_locked=True)))
    )
