"""The live stream of a room. The database is the truth: a wake-up only says "look", and replay is by number.

A staff stream is a lease: `room.watching` is durable before the first byte, renewed each minute, closed with the last
number seen. Every turn checks anew that the reader may still read, so that a revoked session ends within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Customer, Staff
from app.agents.queries import account
from app.audit.service import record
from app.conversations import queries
from app.conversations.models import RoomWatch
from app.conversations.queries import Entry, Window, session_is_live
from app.conversations.reading import move_mark, other_sides_mark, read_as_customer
from app.conversations.service import topic
from app.database import reading, transaction
from app.errors import RiserboError, Unauthenticated
from app.ids import new_id
from app.services import Services
from app.sessions.models import Session

LOOK_EVERY: Final = 1.0
RENEW_EVERY: Final = timedelta(minutes=1)
PAGE: Final = 100


@dataclass(frozen=True)
class ReadUpTo:
    """The other side has read up to `n`; carries no number of its own, since only the latest matters."""

    n: int


@dataclass(frozen=True)
class Ended:
    """The stream is over: `code` as in the error tree, or `closing` when the service stops."""

    code: str


StreamItem = Entry | ReadUpTo | Ended


@dataclass
class Watch:
    """A lease on a room by a staff stream; `seen` is the last number that left."""

    id: UUID
    conversation_id: UUID
    seen: int
    renewed_at: datetime


async def staff_stream(services: Services, staff: Staff, watch: Watch) -> AsyncIterator[StreamItem]:
    """Everything behind the watch's number, then live; the lease is closed however the stream ends."""
    room_id = watch.conversation_id
    try:
        async with services.wakeups.listen(topic(room_id)) as woken:
            async for item in _turns(services, staff, room_id, watch.seen, woken=woken, watch=watch):
                yield item
    finally:
        await asyncio.shield(_end_watch(services, staff, watch))


async def customer_stream(services: Services, customer: Customer, after: int) -> AsyncIterator[StreamItem]:
    """Everything of this session's sight behind number `after`, then live."""
    await read_as_customer(services, customer, Window(after=after, limit=0))
    async with services.wakeups.listen(topic(customer.conversation_id)) as woken:
        async for item in _turns(services, customer, customer.conversation_id, after, woken=woken, watch=None):
            yield item


async def _turns(
    services: Services,
    actor: Staff | Customer,
    conversation_id: UUID,
    after: int,
    *,
    woken: asyncio.Event,
    watch: Watch | None,
) -> AsyncIterator[StreamItem]:
    mark = -1
    while not services.wakeups.stopping.is_set():
        woken.clear()
        try:
            entries, mark_now = await _look(services, actor, conversation_id, after)
        except RiserboError as refusal:
            yield Ended(refusal.code)
            return
        for entry in entries:
            after = entry.n
            if watch is not None:
                # Before it leaves: a reader cut off in the middle of a page has seen this one all the same.
                watch.seen = after
            yield entry
        if entries:
            await _delivered(services, actor, conversation_id, after)
        if mark_now != mark:
            mark = mark_now
            yield ReadUpTo(mark)
        if watch is not None:
            await _renew_watch(services, actor, watch)
        if len(entries) < PAGE:
            await services.wakeups.wait(woken, LOOK_EVERY)
    yield Ended("closing")


async def _look(
    services: Services, actor: Staff | Customer, conversation_id: UUID, after: int
) -> tuple[list[Entry], int]:
    """One look with all rights checked anew, in one snapshot."""
    now = services.clock()
    async with reading(services) as db:
        if isinstance(actor, Customer):
            await queries.room_for_customer(db, actor, now)
            entries = await queries.entries_for_customer(db, actor, Window(after=after, limit=PAGE))
        else:
            session = await db.get(Session, actor.session_id)
            if session is None or not session_is_live(session, now) or await account(db, actor.id) is None:
                raise Unauthenticated
            room = await queries.room_for_staff(db, actor, conversation_id, act="watch")
            entries = await queries.entries_for_staff(db, room, Window(after=after, limit=PAGE))
        return entries, await other_sides_mark(db, conversation_id, actor)


async def _delivered(services: Services, actor: Actor, conversation_id: UUID, seen: int) -> None:
    side = "agent" if isinstance(actor, Staff) else "customer"
    async with transaction(services) as db:
        await move_mark(db, conversation_id, side, seen)
    services.wakeups.notify(topic(conversation_id))


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
        _record_watch(db, staff, watch, "room.watching", {"from": after + 1})
    return watch


async def _renew_watch(services: Services, actor: Actor, watch: Watch) -> None:
    now = services.clock()
    if now - watch.renewed_at < RENEW_EVERY:
        return
    watch.renewed_at = now
    async with transaction(services) as db:
        row = await db.get_one(RoomWatch, watch.id)
        row.renewed_at, row.seen_n = now, watch.seen
        _record_watch(db, actor, watch, "room.watch_renewed", {"to": watch.seen})


async def _end_watch(services: Services, staff: Staff, watch: Watch) -> None:
    async with transaction(services) as db:
        row = await db.get_one(RoomWatch, watch.id)
        row.ended_at, row.seen_n = services.clock(), watch.seen
        _record_watch(db, staff, watch, "room.watch_ended", {"to": watch.seen})


def _record_watch(db: AsyncSession, actor: Actor, watch: Watch, event: str, data: dict[str, int]) -> None:
    record(
        db,
        event,
        stream=f"room:{watch.conversation_id}:access",
        actor=actor,
        data={**data, "watch": str(watch.id)},
    )


@asynccontextmanager
async def closing(stream: AsyncIterator[StreamItem]) -> AsyncIterator[AsyncIterator[StreamItem]]:
    """Run the stream's own ending even when its reader is cut off."""
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
