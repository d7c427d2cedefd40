"""Gives committed leaves their places. Any process may run it; the head's row lock lets one do so at a time.

A queue is read, not "everything after the last number": numbers become visible out of commit order, and a reader that
trusts them skips rows. No writer ever waits for this.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.models import LOG_ID, Leaf, LogHead, PendingLeaf, SequencedLeaf
from app.audit.service import record
from app.database import transaction
from app.services import Services
from security.merkle import EMPTY_ROOT, Frontier, leaf_hash

GROUP: Final = 1000


class LogDamaged(Exception):
    """A stored leaf no longer has the hash it was stored with: somebody changed the database under us."""


async def start_log(services: Services, origin: str) -> None:
    """Make the head of a new log, with its first leaf; does nothing where the log exists already."""
    try:
        async with transaction(services) as db:
            if await db.get(LogHead, LOG_ID) is None:
                db.add(LogHead(id=LOG_ID, origin=origin, size=0, frontier=b"", root=EMPTY_ROOT))
                record(db, "log.started", stream="log", actor=SYSTEM, data={"origin": origin})
    except IntegrityError:
        return


async def sequence(services: Services) -> int:
    """Place one group of waiting leaves; returns how many, 0 when none waits or somebody else is at it."""
    async with transaction(services) as db:
        head = (
            await db.execute(select(LogHead).where(LogHead.id == LOG_ID).with_for_update(skip_locked=True))
        ).scalar_one_or_none()
        if head is None:
            return 0
        waiting = (
            await db.execute(
                select(Leaf.stage_no, Leaf.leaf, Leaf.leaf_hash)
                .join(PendingLeaf, PendingLeaf.stage_no == Leaf.stage_no)
                # by the few that wait: in the leaves' own order SQLite reads all of them, from the first one
                .order_by(PendingLeaf.stage_no)
                .limit(GROUP)
            )
        ).all()
        if waiting:
            await _place(db, head, [(row.stage_no, row.leaf, row.leaf_hash) for row in waiting])
        return len(waiting)


async def _place(db: AsyncSession, head: LogHead, waiting: list[tuple[int, bytes, bytes]]) -> None:
    frontier = Frontier.load(head.size, head.frontier)
    rows = []
    for stage_no, leaf, stored in waiting:
        if leaf_hash(leaf) != stored:
            raise LogDamaged(f"stage {stage_no}")
        rows.append({"leaf_index": frontier.size, "stage_no": stage_no, "leaf_hash": stored})
        frontier.append(stored)
    await db.execute(insert(SequencedLeaf), rows)
    await db.execute(delete(PendingLeaf).where(PendingLeaf.stage_no.in_([row["stage_no"] for row in rows])))
    head.size, head.frontier, head.root = frontier.size, frontier.dump(), frontier.root()


async def beat(services: Services) -> None:
    """One heartbeat leaf, so that silence is visible."""
    async with transaction(services) as db:
        head = await db.get(LogHead, LOG_ID)
        record(db, "log.heartbeat", stream="log", actor=SYSTEM, data={"size": head.size if head else 0})
