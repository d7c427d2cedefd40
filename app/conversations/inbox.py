"""What waits for one reader of a room, and how far that reader has come. Filled by the hub, emptied by the stream."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final
from uuid import UUID

from app.actors import Customer, Staff
from app.conversations.items import Ended, Quiet, ReadUpTo, StreamItem
from app.conversations.looks import reader
from app.conversations.queries import Entry
from app.conversations.rules import sight
from app.policy import Policy

LARGEST: Final = 256 * 1024
MOST: Final = 200


class Inbox:
    """A bounded queue: `cursor` is the number up to which the hub has looked, `last` the last one handed over.

    `is_behind` while the room has more than was looked at.
    """

    __slots__ = (
        "_items",
        "_size",
        "_waiter",
        "actor",
        "checked",
        "cursor",
        "ended",
        "is_behind",
        "last",
        "mark",
        "question",
        "room_id",
        "sight",
        "taken_at",
    )

    def __init__(self, policy: Policy, actor: Staff | Customer, room_id: UUID, after: int, now: float) -> None:
        self.actor, self.room_id = actor, room_id
        self.sight = None if isinstance(actor, Staff) else sight(policy, actor.level, actor.session_id)
        self.question = reader(actor, room_id)
        self.cursor = self.last = after
        self.mark = -1
        self.checked = self.taken_at = now
        self.ended = self.is_behind = False
        self._items: deque[StreamItem] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the reader has taken everything."""
        return not self._items

    @property
    def has_room(self) -> bool:
        """Whether another item may wait."""
        return self._size < LARGEST and len(self._items) < MOST and not self.ended

    def put(self, entry: Entry) -> None:
        """One entry more, and the cursor with it."""
        self.cursor = entry.n
        self._size += 4 * len(entry.text or "")
        self._items.append(entry)
        self._wake()

    def tell_mark(self, mark: int) -> None:
        """How far the other side has read; what was told before and not taken is void."""
        self.mark = mark
        self._items = deque(item for item in self._items if not isinstance(item, ReadUpTo))
        self._items.append(ReadUpTo(mark))
        self._wake()

    def still_there(self) -> None:
        """A sign of life, where nothing else waits."""
        if not self._items:
            self._items.append(Quiet())
            self._wake()

    def end(self, code: str) -> None:
        """Nothing more, and nothing of what waits either: a reader without rights sees no more of it."""
        if not self.ended:
            self.ended = True
            self._items.clear()
            # Not all at once: those whom a stopping server sends away come to the next one over a second and a half.
            self._items.append(Ended(code, self.last, 500 + self.actor.session_id.int % 1500))
            self._wake()

    def close(self) -> None:
        """The reader has gone."""
        self.ended = True
        self._items.clear()
        self._wake()

    async def take(self) -> StreamItem | None:
        """The next item, when there is one; None when nothing comes any more."""
        loop = asyncio.get_running_loop()
        while not self._items:
            if self.ended:
                return None
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self.taken_at = loop.time()
        item = self._items.popleft()
        if isinstance(item, Entry):
            self._size -= 4 * len(item.text or "")
            self.last = item.n
        return item

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
