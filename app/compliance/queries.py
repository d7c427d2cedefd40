"""Reads of exports, and of what belongs in one: the streams of a room, their heads, their leaves.

`visible_to` alone decides who sees exports; the reads below it serve the build, which acts for the service itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.audit import queries as audit
from app.audit.models import Leaf, SequencedLeaf, SignedCheckpoint
from app.binding.models import Attempt
from app.compliance.models import Export
from app.compliance.rules import Head
from app.compliance.verifier import OPENINGS, parse_leaf
from app.conversations.models import Conversation
from app.database import services_of
from app.permissions import Permission, held_by, require
from security.envelope import Place

PAGE: Final = 5000


def visible_to(staff: Staff) -> Select[Export]:
    """The exports this member of staff may see: compliance sees all, everybody else none."""
    statement = select(Export)
    if Permission.EXPORTS_MAKE in held_by(staff):
        return statement
    return statement.where(false())


async def find(db: AsyncSession, staff: Staff, export_id: UUID) -> Export | None:
    """One export that this member may see."""
    return (await db.execute(visible_to(staff).where(Export.id == export_id))).scalar_one_or_none()


async def listed(
    db: AsyncSession, staff: Staff, *, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[Export]:
    """Newest first, from behind (requested_at, id) of the last export of the page before."""
    statement = visible_to(staff).order_by(Export.requested_at.desc(), Export.id.desc()).limit(limit)
    if after is not None:
        requested_at, export_id = after
        statement = statement.where(
            or_(Export.requested_at < requested_at, and_(Export.requested_at == requested_at, Export.id < export_id))
        )
    return list((await db.execute(statement)).scalars())


async def reason_of(db: AsyncSession, export: Export) -> str:
    """Why it was asked for, opened."""
    return await services_of(db).vault.open_text(reason_place(export.id), export.sealed_reason)


def reason_place(export_id: UUID) -> Place:
    """Where a reason is sealed."""
    return Place("exports", "sealed_reason", str(export_id))


async def heads_of_log(db: AsyncSession, *, but: str) -> list[Head]:
    """Last number and leaf hash of every stream except the export's own."""
    return [(head.stream, head.n, head.head.hex()) for head in await audit.stream_heads(db) if head.stream != but]


async def heads_of_room(db: AsyncSession, conversation_id: UUID) -> list[Head]:
    """Last number and leaf hash of every stream that concerns a room, sorted by name.

    The room's own head is read first, then what its leaves up to there name, then the other heads. Nothing is locked:
    a leaf that is written meanwhile comes behind the head that is named, and no stream that a leaf names is missed.
    """
    stream = f"room:{conversation_id}"
    own = await audit.stream_heads(db, [stream])
    last = own[0].n if own else 0
    others = {f"{stream}:access", *await _named_by_room(db, stream, last)}
    others |= await _streams_of_binding(db, conversation_id)
    heads = [*own, *await audit.stream_heads(db, sorted(others))]
    return sorted((head.stream, head.n, head.head.hex()) for head in heads)


async def _named_by_room(db: AsyncSession, stream: str, last: int) -> set[str]:
    """The cases and the binding that the room's leaves name when it is opened; raises EvidenceFails."""
    named = set()
    for row in await db.execute(select(Leaf.n, Leaf.leaf).where(Leaf.stream == stream, Leaf.n <= last)):
        leaf = parse_leaf(row.n, row.leaf)
        if leaf.body["t"] in OPENINGS:
            named |= {f"{kind}:{leaf.data[kind]}" for kind in ("case", "binding") if kind in leaf.data}
    return named


async def _streams_of_binding(db: AsyncSession, conversation_id: UUID) -> set[str]:
    """Every attempt of the room's binding, and the case that led in last, even if the room was open already."""
    room = await db.get_one(Conversation, conversation_id)
    attempts = (await db.execute(select(Attempt.id).where(Attempt.binding_id == room.binding_id))).scalars()
    return {f"case:{room.case_id}", *(f"attempt:{attempt_id}" for attempt_id in attempts)}


async def leaf_page(db: AsyncSession, start: int, end: int) -> list[bytes]:
    """The exact bytes of up to `PAGE` leaves from index `start`, none from `end` on."""
    statement = (
        select(Leaf.leaf)
        .join(SequencedLeaf, SequencedLeaf.stage_no == Leaf.stage_no)
        .where(SequencedLeaf.leaf_index >= start, SequencedLeaf.leaf_index < min(end, start + PAGE))
        .order_by(SequencedLeaf.leaf_index)
    )
    return list((await db.execute(statement)).scalars())


async def newest_checkpoint(db: AsyncSession, as_of: int | None) -> SignedCheckpoint | None:
    """The newest signed checkpoint, or the newest of at most `as_of` leaves."""
    statement = select(SignedCheckpoint).order_by(SignedCheckpoint.size.desc()).limit(1)
    if as_of is not None:
        statement = statement.where(SignedCheckpoint.size <= as_of)
    return (await db.execute(statement)).scalar_one_or_none()


async def newest_rooms(db: AsyncSession, staff: Staff, limit: int = 200) -> list[Conversation]:
    """Rooms that an officer may choose from, newest first; nothing of what is in them."""
    require(staff, Permission.EXPORTS_MAKE)
    return list((await db.execute(select(Conversation).order_by(Conversation.opened_at.desc()).limit(limit))).scalars())
