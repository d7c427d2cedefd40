"""Rates: GCRA in one statement in the database (guessing, sending), token buckets in memory (plain traffic)."""

from __future__ import annotations

from collections import OrderedDict
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


class TrafficLimit:
    """Token bucket per key in this process's memory: `limit` at once, refilled over `per`; bounded in size.

    For plain traffic only: what bounds guessing is counted in the database.
    """

    def __init__(self, limit: int, per: timedelta, *, keys: int = 50_000) -> None:
        self._limit = limit
        self._per_token = per.total_seconds() / limit
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_needed(self, key: str, now: datetime) -> float:
        """Seconds to wait before `key` may act, 0.0 if it may now (and then this act is counted)."""
        at = now.timestamp()
        full_at = max(self._full_at.get(key, at), at) + self._per_token
        wait = full_at - at - self._limit * self._per_token
        if wait > 0:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._keys:
            self._full_at.popitem(last=False)
        return 0.0
