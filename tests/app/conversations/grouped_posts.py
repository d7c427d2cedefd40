"""Posts that reach the lane as one group, and what must be in the house afterwards.

Only what callers use is touched here: `post_message` and the lane's `submit`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from sqlalchemy import event

from app.actors import Customer, Staff
from app.conversations import queries
from app.conversations.committing import Posted
from app.conversations.models import Conversation, Message, RoomEvent
from app.conversations.posting import post_message
from app.conversations.queries import Window
from app.database import reading
from app.lane import Lane
from tests.support.house import House, Room

_place: ContextVar[int] = ContextVar("place")


class Gathering:
    """Stands before the lane until a whole group is there, then lets it in, in the order of its places."""

    def __init__(self, lane: Lane[Any, Any]) -> None:
        self._lane = lane
        self._arrived: dict[int, asyncio.Future[None]] = {}

    async def submit(self, command: Any) -> Any:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived[_place.get()] = turn
        await turn
        return await self._lane.submit(command)

    def open(self) -> None:
        """Let everybody in at once."""
        for place in sorted(self._arrived):
            self._arrived[place].set_result(None)

    async def everybody(self, tasks: list[asyncio.Task[Posted]]) -> None:
        """Until each of the tasks waits here, or was refused on its way."""
        while len(self._arrived) + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Post:
    """One call of `post_message`."""

    actor: Staff | Customer
    room_id: UUID
    text: str
    key: str


@dataclass
class Groups:
    """A house whose posts arrive in groups, and what must be in it afterwards."""

    house: House
    rooms: list[Room]
    low: Room
    stored: list[tuple[Post, Posted]] = field(default_factory=list)
    _count: int = 0

    def post(self, actor: Staff | Customer, room_id: UUID) -> Post:
        self._count += 1
        return Post(actor, room_id, f"text {self._count}", f"key {self._count}")

    def neighbour(self, number: int) -> Post:
        """Customers and agents in two rooms in turn, and now and then an answer that is held in a third."""
        if number % 5 == 4:
            return self.post(self.house.anna, self.low.id)
        room = self.rooms[number % 2]
        return self.post(self.house.anna if number % 3 == 0 else room.customer, room.id)

    async def send(self, post: Post) -> Posted:
        return await post_message(self.house.services, post.actor, post.room_id, post.text, client_key=post.key)

    async def together(
        self, posts: list[Post], *, meanwhile: Callable[[], Awaitable[object]] | None = None, cancel: int | None = None
    ) -> list[Any]:
        """Their answers, as one group; `meanwhile` runs when all have arrived and none is committed."""
        services = self.house.services
        lane = cast("Lane[Any, Any]", services.lane)
        gathering = Gathering(lane)
        services.lane = cast("Lane[Any, Any]", gathering)
        tasks: list[asyncio.Task[Posted]] = []
        try:
            for place, post in enumerate(posts):
                _place.set(place)
                tasks.append(asyncio.create_task(self.send(post)))
            async with asyncio.timeout(20):
                await gathering.everybody(tasks)
        finally:
            services.lane = lane
        if meanwhile is not None:
            await meanwhile()
        gathering.open()
        if cancel is not None:
            # the lane has begun: it is in its first statement, and the client is gone
            await asyncio.sleep(0.001)
            tasks[cancel].cancel()
        async with asyncio.timeout(30):
            return await asyncio.gather(*tasks, return_exceptions=True)

    def note(self, posts: list[Post], answers: list[Any]) -> None:
        """These must have been stored, in this order."""
        for post, answer in zip(posts, answers, strict=True):
            assert isinstance(answer, Posted), (post, answer)
            self.stored.append((post, answer))

    async def check(self) -> None:
        """Each post stored once with its own text and one leaf, numbers without gap in the order of arrival."""
        house = self.house
        rows = {row.id: row for row in await house.all(Message)}
        leaves = await house.leaves("message.sent", "message.held")
        leaf_of = {UUID(leaf["data"]["id"]): leaf for leaf in leaves}
        assert len(leaf_of) == len(leaves), "a message has two leaves"
        assert set(rows) == set(leaf_of) == {answer.message_id for _, answer in self.stored}
        for post, answer in self.stored:
            row, leaf = rows[answer.message_id], leaf_of[answer.message_id]
            assert (row.n, row.state, row.conversation_id) == (answer.n, answer.state, post.room_id)
            assert (row.leaf_id, leaf["stream"]) == (UUID(leaf["id"]), f"room:{post.room_id}")
            assert leaf["data"].get("number") == answer.n
            assert leaf["actor"]["id"] == str(getattr(post.actor, "binding_id", None) or post.actor.id)  # type: ignore[union-attr]
            async with reading(house.services) as db:
                assert await queries.message_text(db, row) == post.text
        for room in (*self.rooms, self.low):
            await self._check_room(room.id)
        await house.check_streams()

    async def _check_room(self, room_id: UUID) -> None:
        room: Conversation = await self.house.one(Conversation, room_id)
        async with reading(self.house.services) as db:
            entries = await queries.entries_for_staff(db, room, Window(after=0, limit=10_000))
        events = [one for one in await self.house.all(RoomEvent) if one.conversation_id == room_id]
        assert sorted(one.n for one in events) == list(range(1, room.last_n + 1))
        spoken = [entry.text for entry in entries if entry.message_id is not None]
        assert spoken == [post.text for post, answer in self.stored if post.room_id == room_id and answer.n is not None]
        acts = await self.house.leaves(stream=f"room:{room_id}")
        assert room.leaf_id == UUID(acts[-1]["id"]), "the room names another leaf than that of its latest act"


@contextmanager
def commits(house: House) -> Iterator[Counter[str]]:
    """How many transactions were committed and rolled back by the service meanwhile."""
    counted: Counter[str] = Counter()
    engine = house.services.write_engine.sync_engine

    def committed(_connection: object) -> None:
        counted["commit"] += 1

    def taken_back(_connection: object) -> None:
        counted["rollback"] += 1

    event.listen(engine, "commit", committed)
    event.listen(engine, "rollback", taken_back)
    try:
        yield counted
    finally:
        event.remove(engine, "commit", committed)
        event.remove(engine, "rollback", taken_back)
