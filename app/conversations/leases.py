"""A staff stream is a lease: durable before the first byte, renewed each minute, closed with the last number seen.

Renewals and ends of many streams go into one transaction, so that a stop that ends thousands of them takes no minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.audit.service import record
from app.conversations import queries
from app.conversations.gathering import Gathering
from app.conversations.models import RoomWatch
from app.database import transaction
from app.ids import new_id
from app.services import Services

RENEW_EVERY: Final = timedelta(minutes=1)


@dataclass
class Watch:
    """A lease on a room by a staff stream; `seen` is the last number that left."""

    id: UUID
    conversation_id: UUID
    seen: int
    renewed_at: datetime


@dataclass(frozen=True)
class _Note:
    staff: Staff
    watch: UUID
    room_id: UUID
    seen: int
    at: datetime
    ended: bool


async def begin_watch(services: Services, staff: Staff, conversation_id: UUID, after: int) -> Watch:
    """The lease, durable before the first byte. Raises when the room is not this member's."""
    now = services.clock()
    watch = Watch(new_id(now), conversation_id, after, now)
    async with transaction(services) as db:
        await queries.room_for_staff(db, staff, conversation_id, act="watch")
        db.add(
            RoomWatch(
                id=watch.id,
                conversation_id=conversation_id,
                staff_id=staff.id,
                seen_n=after,
                started_at=now,
                renewed_at=now,
                ended_at=None,
            )
        )
        _record(db, staff, conversation_id, "room.watching", {"from": after + 1, "watch": str(watch.id)})
    return watch


class Leases:
    """The leases of one process, once they have begun."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._notes = Gathering(self._write)

    def renew(self, staff: Staff, watch: Watch) -> None:
        """Another minute, if this one is over; written in its own time."""
        now = self._services.clock()
        if now - watch.renewed_at >= RENEW_EVERY:
            watch.renewed_at = now
            self._notes.add(_Note(staff, watch.id, watch.conversation_id, watch.seen, now, ended=False))

    def end(self, staff: Staff, watch: Watch) -> asyncio.Future[None]:
        """Close it with the last number seen; done when that is durable."""
        now = self._services.clock()
        return self._notes.add(_Note(staff, watch.id, watch.conversation_id, watch.seen, now, ended=True))

    async def drain(self) -> None:
        """Until nothing waits to be written."""
        await self._notes.drain()

    async def _write(self, notes: Sequence[_Note]) -> None:
        async with transaction(self._services) as db:
            for note in notes:
                values = {"seen_n": note.seen, "ended_at" if note.ended else "renewed_at": note.at}
                await db.execute(update(RoomWatch).where(RoomWatch.id == note.watch).values(values))
                event = "room.watch_ended" if note.ended else "room.watch_renewed"
                _record(db, note.staff, note.room_id, event, {"to": note.seen, "watch": str(note.watch)})


def _record(db: AsyncSession, staff: Staff, room_id: UUID, event: str, data: dict[str, int | str]) -> None:
    record(db, event, stream=f"room:{room_id}:access", actor=staff, data=data)
