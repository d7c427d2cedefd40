"""Reads of the log: places, heads, checkpoints. Leaves name nobody, so these take no actor; their callers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.models import LOG_ID, Leaf, LogHead, PendingLeaf, SequencedLeaf, SignedCheckpoint, StreamHead

MANY: Final = 500


async def head(db: AsyncSession) -> LogHead | None:
    """Size and root now."""
    return await db.get(LogHead, LOG_ID)


async def pending_count(db: AsyncSession) -> int:
    """How many committed leaves wait for a place."""
    return (await db.execute(select(func.count()).select_from(PendingLeaf))).scalar_one()


async def latest_checkpoint(db: AsyncSession) -> SignedCheckpoint | None:
    """The newest signed checkpoint."""
    return (
        await db.execute(select(SignedCheckpoint).order_by(SignedCheckpoint.size.desc()).limit(1))
    ).scalar_one_or_none()


async def checkpoint_covering(db: AsyncSession, index: int) -> SignedCheckpoint | None:
    """The first signed checkpoint whose log includes the leaf at `index`."""
    statement = select(SignedCheckpoint).where(SignedCheckpoint.size > index).order_by(SignedCheckpoint.size).limit(1)
    return (await db.execute(statement)).scalar_one_or_none()


async def leaf_hashes(db: AsyncSession, size: int) -> list[bytes]:
    """The hashes of the first `size` leaves, in order."""
    statement = select(SequencedLeaf.leaf_hash).where(SequencedLeaf.leaf_index < size)
    return list((await db.execute(statement.order_by(SequencedLeaf.leaf_index))).scalars())


async def leaves(db: AsyncSession, size: int, streams: Sequence[str] | None = None) -> list[tuple[int, bytes]]:
    """(index, exact bytes) of the first `size` leaves, of all streams or of those named."""
    statement = (
        select(SequencedLeaf.leaf_index, Leaf.leaf)
        .join(Leaf, Leaf.stage_no == SequencedLeaf.stage_no)
        .where(SequencedLeaf.leaf_index < size)
        .order_by(SequencedLeaf.leaf_index)
    )
    if streams is not None:
        statement = statement.where(Leaf.stream.in_(streams))
    return [(row.leaf_index, row.leaf) for row in await db.execute(statement)]


async def placed(db: AsyncSession, leaf_ids: Sequence[UUID]) -> list[tuple[int, bytes, bytes]]:
    """(index, exact bytes, hash) of these leaves, by index; one without a place is left out."""
    found: list[tuple[int, bytes, bytes]] = []
    for start in range(0, len(leaf_ids), MANY):
        rows = await db.execute(
            select(SequencedLeaf.leaf_index, Leaf.leaf, Leaf.leaf_hash)
            .join(Leaf, Leaf.stage_no == SequencedLeaf.stage_no)
            .where(Leaf.id.in_(leaf_ids[start : start + MANY]))
        )
        found += [(row.leaf_index, row.leaf, row.leaf_hash) for row in rows]
    return sorted(found)


async def stream_heads(db: AsyncSession, streams: Sequence[str] | None = None) -> list[StreamHead]:
    """Last number and hash of the streams named, or of all."""
    statement = select(StreamHead).where(StreamHead.n > 0).order_by(StreamHead.stream)
    if streams is not None:
        statement = statement.where(StreamHead.stream.in_(streams))
    return list((await db.execute(statement)).scalars())


async def index_of(db: AsyncSession, leaf_id: object) -> int | None:
    """The place of a leaf, or None while it waits for one."""
    statement = (
        select(SequencedLeaf.leaf_index).join(Leaf, Leaf.stage_no == SequencedLeaf.stage_no).where(Leaf.id == leaf_id)
    )
    return (await db.execute(statement)).scalar_one_or_none()
