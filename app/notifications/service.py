"""Enqueue, claim, finish, retry. One statement claims for all processes; a lease makes a dead worker's work return."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import record
from app.database import after_commit, services_of, transaction, upsert
from app.errors import RiserboError
from app.ids import new_id
from app.notifications.models import OutboxRow
from app.services import Services
from security.envelope import Place, seal
from security.errors import SecurityError
from security.keys import DataKey

WORKER_TOPIC: Final = "worker"
LEASE: Final = timedelta(seconds=60)
MOST_ATTEMPTS: Final = 8
CODES_FIRST: Final = 0
NORMAL: Final = 5
LATER: Final = 9


@dataclass(frozen=True)
class Work:
    """A claimed row, its payload opened."""

    id: UUID
    topic: str
    payload: dict[str, Any]
    attempts: int
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"<Work {self.topic} {self.id}>"


async def enqueue(
    db: AsyncSession,
    topic: str,
    payload: dict[str, Any],
    *,
    key: DataKey | None = None,
    priority: int = NORMAL,
    run_at: datetime | None = None,
    expires_at: datetime | None = None,
    dedupe: str | None = None,
) -> UUID:
    """Add work to this transaction; sealed under `key`, or under the outbox's own. A known `dedupe` adds nothing."""
    services = services_of(db)
    now = services.clock()
    row_id = new_id(now)
    sealing = key or await services.vault.service_key("outbox")
    await db.execute(
        upsert(db, OutboxRow)
        .values(
            id=row_id,
            topic=topic,
            dedupe=dedupe,
            sealed_payload=seal(sealing, _place(row_id), json.dumps(payload).encode()),
            priority=priority,
            run_at=run_at or now,
            expires_at=expires_at,
            locked_until=None,
            attempts=0,
            done_at=None,
            outcome=None,
        )
        .on_conflict_do_nothing()
    )
    after_commit(db, lambda: services.wakeups.notify(WORKER_TOPIC))
    return row_id


async def claim(services: Services, limit: int = 20) -> list[Work]:
    """Take up to `limit` due rows for one lease; expired ones are closed unsent, unreadable ones given up."""
    now = services.clock()
    async with transaction(services) as db:
        await db.execute(
            update(OutboxRow)
            .where(OutboxRow.done_at.is_(None), OutboxRow.expires_at < now)
            .values(done_at=now, outcome="expired", sealed_payload=None)
        )
        due = (
            select(OutboxRow.id)
            .where(
                OutboxRow.done_at.is_(None),
                OutboxRow.run_at <= now,
                OutboxRow.locked_until.is_(None) | (OutboxRow.locked_until < now),
            )
            .order_by(OutboxRow.priority, OutboxRow.run_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            # Once: a planner that runs it again for each row would claim more than `limit`.
            .cte("due")
            .prefix_with("MATERIALIZED")
        )
        claimed = (
            await db.execute(
                update(OutboxRow)
                .where(OutboxRow.id.in_(select(due.c.id)))
                .values(locked_until=now + LEASE, attempts=OutboxRow.attempts + 1)
                .returning(
                    OutboxRow.id,
                    OutboxRow.topic,
                    OutboxRow.sealed_payload,
                    OutboxRow.attempts,
                    OutboxRow.expires_at,
                    OutboxRow.priority,
                )
            )
        ).all()
    works = []
    for row in sorted(claimed, key=lambda row: (row.priority, row.id)):
        try:
            payload = json.loads(await services.vault.open(_place(row.id), row.sealed_payload))
        except (SecurityError, RiserboError, ValueError):
            # Its key is gone, or somebody changed it: it must not hold up what was claimed with it, again and again.
            await _give_up(services, row.id, row.topic)
            continue
        works.append(Work(row.id, row.topic, payload, row.attempts, row.expires_at))
    return works


async def _give_up(services: Services, work_id: UUID, topic: str) -> None:
    async with transaction(services) as db:
        data = {"topic": topic, "id": str(work_id), "reason": "unreadable"}
        record(db, "delivery.failed", stream="log", actor=SYSTEM, data=data)
        await finish(db, work_id, "unreadable")


async def renew(services: Services, work: Work) -> bool:
    """Another lease for work that is still under way; False when it has ended, or somebody else has begun it."""
    async with transaction(services) as db:
        renewed = await db.execute(
            update(OutboxRow).where(_held(work)).values(locked_until=services.clock() + LEASE).returning(OutboxRow.id)
        )
        return renewed.first() is not None


def _held(work: Work) -> ColumnElement[bool]:
    """That it has neither ended nor been begun by anybody else since it was claimed."""
    return and_(
        OutboxRow.id == work.id,
        OutboxRow.attempts == work.attempts,
        OutboxRow.done_at.is_(None),
        OutboxRow.locked_until.is_not(None),
    )


async def finish(db: AsyncSession, work_id: UUID, outcome: str = "done") -> None:
    """Close a row and wipe its payload, in the transaction that records what came of it."""
    now = services_of(db).clock()
    await db.execute(
        update(OutboxRow)
        .where(OutboxRow.id == work_id)
        .values(done_at=now, outcome=outcome, sealed_payload=None, locked_until=None)
    )


async def retry_later(services: Services, work: Work, reason: str) -> bool:
    """Give the row back with a growing pause; False when it has been tried often enough and is closed instead.

    Where somebody else has begun it meanwhile it is theirs: given back again, a third one would do it beside them.
    """
    now = services.clock()
    async with transaction(services) as db:
        held = await db.execute(select(OutboxRow.id).where(_held(work)).with_for_update())
        if held.first() is None:
            return True
        if work.attempts >= MOST_ATTEMPTS:
            await finish(db, work.id, f"gave up: {reason}"[:200])
            return False
        pause = timedelta(seconds=min(2**work.attempts, 600))
        await db.execute(
            update(OutboxRow)
            .where(OutboxRow.id == work.id)
            .values(locked_until=None, run_at=now + pause, outcome=reason[:200])
        )
    return True


def _place(row_id: UUID) -> Place:
    return Place("outbox", "sealed_payload", str(row_id))
