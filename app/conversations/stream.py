"""The live stream of a room, as its reader takes it. The database is the truth, and replay is by number.

The hub of this process fills it (`delivery`). A staff stream is a lease (`leases`): it is closed with the last number
seen however the stream ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.actors import Customer, Staff
from app.conversations.delivery import hub_of
from app.conversations.inbox import Inbox
from app.conversations.items import Ended, Quiet, ReadUpTo, StreamItem
from app.conversations.leases import Watch, begin_watch
from app.conversations.queries import Entry
from app.conversations.reading import begin_reading
from app.services import Services

__all__ = [
    "Ended",
    "Quiet",
    "ReadUpTo",
    "RoomStream",
    "StreamItem",
    "Watch",
    "begin_watch",
    "closing",
    "customer_stream",
    "staff_stream",
]


class RoomStream(AsyncIterator[StreamItem]):
    """Everything of the reader's sight behind number `after`, then live, until `Ended`.

    An iterator and not a generator: one that is cut off before its first item still closes its lease.
    """

    __slots__ = ("_actor", "_after", "_closed", "_handed", "_hub", "_inbox", "_room_id", "_services", "_watch")

    def __init__(
        self, services: Services, actor: Staff | Customer, room_id: UUID, after: int, watch: Watch | None
    ) -> None:
        self._services, self._hub = services, hub_of(services)
        self._actor, self._room_id, self._after, self._watch = actor, room_id, after, watch
        self._inbox: Inbox | None = None
        self._handed = self._closed = False

    async def __anext__(self) -> StreamItem:
        """The next item; the read mark follows once all that waited has been taken."""
        inbox = self._inbox or await self._open()
        if self._handed and inbox.is_empty:
            self._handed = False
            self._hub.delivered(inbox)
        item = await inbox.take()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Entry):
            self._handed = True
            if self._watch is not None:
                # Before it leaves: a reader cut off in the middle of a page has seen this one all the same.
                self._watch.seen = item.n
        if self._watch is not None and isinstance(self._actor, Staff):
            self._hub.leases.renew(self._actor, self._watch)
        return item

    async def aclose(self) -> None:
        """Leave the hub and close the lease; harmless the second time."""
        self._closed = True
        if self._inbox is not None:
            self._hub.close(self._inbox)
        watch, self._watch = self._watch, None
        if watch is not None and isinstance(self._actor, Staff):
            await asyncio.shield(self._hub.leases.end(self._actor, watch))

    async def _open(self) -> Inbox:
        if isinstance(self._actor, Customer):
            await begin_reading(self._services, self._actor)
        if self._closed:
            raise StopAsyncIteration
        self._inbox = self._hub.open(self._actor, self._room_id, self._after)
        return self._inbox


def staff_stream(services: Services, staff: Staff, watch: Watch) -> RoomStream:
    """The room for a member of staff who holds the lease `watch`, behind its number."""
    return RoomStream(services, staff, watch.conversation_id, watch.seen, watch)


def customer_stream(services: Services, customer: Customer, after: int) -> RoomStream:
    """The room for its own customer, behind number `after`; its first item may raise `RoomLocked`."""
    return RoomStream(services, customer, customer.conversation_id, after, None)


@asynccontextmanager
async def closing(stream: RoomStream) -> AsyncIterator[RoomStream]:
    """Run the stream's own ending even when its reader is cut off."""
    try:
        yield stream
    finally:
        await stream.aclose()
