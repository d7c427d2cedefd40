"""Reading a room leaves evidence before anything is revealed: a leaf per staff page, one per customer session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from app.actors import Customer, Staff
from app.audit.service import record
from app.conversations import queries
from app.conversations.marks import delivered_to, move_marks, side_of
from app.conversations.models import Conversation, ReadLeaf
from app.conversations.queries import Entry, Window
from app.database import reading, transaction, upsert
from app.services import Services


@dataclass(frozen=True)
class RoomPage:
    """A room as its reader may see it now."""

    room: Conversation
    entries: list[Entry]


async def read_as_staff(services: Services, staff: Staff, conversation_id: UUID, window: Window) -> RoomPage:
    """The page for a member of staff; its leaf is durable before the first text is opened."""
    async with transaction(services) as db:
        room = await queries.room_for_staff(db, staff, conversation_id, act="read")
        record(
            db,
            "room.read",
            stream=f"room:{room.id}:access",
            actor=staff,
            data={**_span(room, window), "purpose": "work", "session": str(staff.session_id)},
        )
    # What came after the leaf was written is not part of this page: the leaf says what was shown.
    told = replace(window, before=min(window.before or room.last_n + 1, room.last_n + 1))
    async with reading(services) as db:
        entries = await queries.entries_for_staff(db, room, told)
    await _mark(services, room.id, staff, entries)
    return RoomPage(room, entries)


async def read_as_customer(services: Services, customer: Customer, window: Window) -> RoomPage:
    """The page for the room's own customer; the session's first reading has a leaf."""
    room = await begin_reading(services, customer)
    async with reading(services) as db:
        entries = await queries.entries_for_customer(db, customer, window)
    await _mark(services, room.id, customer, entries)
    return RoomPage(room, entries)


async def begin_reading(services: Services, customer: Customer) -> Conversation:
    """The room, if the session is in it, and the leaf of the session's first reading. Raises `RoomLocked`."""
    async with reading(services) as db:
        room = await queries.room_for_customer(db, customer, services.clock())
        has_leaf = await db.get(ReadLeaf, (room.id, customer.session_id)) is not None
    if not has_leaf:
        await _record_first_reading(services, customer, room)
    return room


def _span(room: Conversation, window: Window) -> dict[str, int]:
    """The numbers that a reading may have shown at most."""
    last = min(room.last_n, window.before - 1) if window.before is not None else room.last_n
    first = window.after + 1 if window.after is not None else max(last - window.limit + 1, 1)
    return {"from": first, "to": last}


async def _record_first_reading(services: Services, customer: Customer, room: Conversation) -> None:
    async with transaction(services) as db:
        added = await db.execute(
            upsert(db, ReadLeaf)
            .values(conversation_id=room.id, session_id=customer.session_id)
            .on_conflict_do_nothing()
            .returning(ReadLeaf.session_id)
        )
        if added.scalar_one_or_none() is not None:
            record(
                db,
                "room.read",
                stream=f"room:{room.id}:access",
                actor=customer,
                data={"from": 1, "to": room.last_n, "purpose": "own", "session": str(customer.session_id)},
            )


async def _mark(services: Services, conversation_id: UUID, reader: Staff | Customer, entries: list[Entry]) -> None:
    """Move the read mark forward, never back; written only when it moves."""
    if not entries:
        return
    seen = entries[-1].n
    async with reading(services) as db:
        if await queries.read_mark(db, conversation_id, side_of(reader)) >= seen:
            return
    await move_marks(services, [delivered_to(reader, conversation_id, seen)])
