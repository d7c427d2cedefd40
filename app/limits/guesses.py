"""Counters that bound guessing, in a row and by the day: one statement each, in the transaction of the guess."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import upsert
from app.limits.models import GuessCounter
from app.policy import GuessPolicy

MOST_DOUBLINGS: Final = 20
"""Beyond any policy's longest lock. Without an end the pause would outgrow `timedelta`, and the guess go uncounted."""

KEPT_FOR: Final = timedelta(days=30)
MOST_FORGOTTEN: Final = 1000


@dataclass(frozen=True)
class GuessState:
    """What the counter says after an act."""

    in_a_row: int
    today: int
    locked_until: datetime | None
    locks: int = 0

    def is_locked(self, now: datetime) -> bool:
        """Whether guesses are refused at `now`."""
        return self.locked_until is not None and self.locked_until > now

    def in_all(self, policy: GuessPolicy) -> int:
        """Wrong guesses since the last right one."""
        return self.locks * policy.in_a_row + self.in_a_row


async def state_of(db: AsyncSession, key_hash: bytes, now: datetime) -> GuessState:
    """The counter as it stands; an unknown key has no wrong guesses."""
    counter = select(GuessCounter).where(GuessCounter.key_hash == key_hash).execution_options(populate_existing=True)
    row = (await db.execute(counter)).scalar_one_or_none()
    if row is None:
        return GuessState(0, 0, None)
    return GuessState(row.in_a_row, row.today if row.day == _day(now) else 0, row.locked_until, row.locks)


async def count_today(db: AsyncSession, key_hash: bytes, most: int, now: datetime) -> bool:
    """Count a guess of today (UTC) before anybody looks at it; False, and nothing is counted, once `most` are.

    One statement, whose row stays locked until the transaction ends: of many guesses at once none passes the last.
    """
    today = _day(now)
    insertion = upsert(db, GuessCounter).values(
        key_hash=key_hash, in_a_row=0, day=today, today=1, locks=0, locked_until=None, updated_at=now
    )
    counted = await db.execute(
        insertion.on_conflict_do_update(
            index_elements=["key_hash"],
            set_={
                "today": case((GuessCounter.day == today, GuessCounter.today + 1), else_=1),
                "day": today,
                "updated_at": now,
            },
            where=or_(GuessCounter.day != today, GuessCounter.today < most),
        ).returning(GuessCounter.today)
    )
    return counted.scalar_one_or_none() is not None


async def take_back_today(db: AsyncSession, key_hash: bytes, now: datetime) -> None:
    """It was right: the guess counted before does not count against its day."""
    await db.execute(
        update(GuessCounter)
        .where(GuessCounter.key_hash == key_hash, GuessCounter.day == _day(now), GuessCounter.today > 0)
        .values(today=GuessCounter.today - 1)
        .execution_options(synchronize_session=False)
    )


async def count_wrong(db: AsyncSession, key_hash: bytes, policy: GuessPolicy, now: datetime) -> GuessState:
    """Count one wrong guess and lock when the policy says so. Call it in a transaction that is kept."""
    today = _day(now)
    insertion = upsert(db, GuessCounter).values(
        key_hash=key_hash, in_a_row=1, day=today, today=1, locks=0, locked_until=None, updated_at=now
    )
    await db.execute(
        insertion.on_conflict_do_update(
            index_elements=["key_hash"],
            set_={
                "in_a_row": GuessCounter.in_a_row + 1,
                "today": case((GuessCounter.day == today, GuessCounter.today + 1), else_=1),
                "day": today,
                "updated_at": now,
            },
        )
    )
    row = (
        await db.execute(
            select(GuessCounter).where(GuessCounter.key_hash == key_hash).execution_options(populate_existing=True)
        )
    ).scalar_one()
    if row.in_a_row >= policy.in_a_row:
        row.locked_until = now + min(policy.first_lock * 2 ** min(row.locks, MOST_DOUBLINGS), policy.longest_lock)
        row.locks += 1
        row.in_a_row = 0
    return GuessState(row.in_a_row, row.today, row.locked_until, row.locks)


async def forgive(db: AsyncSession, key_hash: bytes, now: datetime) -> None:
    """A right answer ends the row of wrong ones; the day's count and past locks stay."""
    row = (await db.execute(select(GuessCounter).where(GuessCounter.key_hash == key_hash))).scalar_one_or_none()
    if row is not None:
        row.in_a_row, row.locks, row.updated_at = 0, 0, now


async def forget_old(db: AsyncSession, now: datetime) -> None:
    """Remove counters that nobody guessed against for a month; one that is in use just now stays for the next time.

    So late it gives nothing away: five guesses on each of these days were more than all that a new counter allows on
    its first one.
    """
    old = select(GuessCounter.key_hash).where(GuessCounter.updated_at < now - KEPT_FOR)
    await db.execute(
        delete(GuessCounter).where(
            GuessCounter.key_hash.in_(old.limit(MOST_FORGOTTEN).with_for_update(skip_locked=True))
        )
    )


def _day(now: datetime) -> str:
    return now.date().isoformat()
