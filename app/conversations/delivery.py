"""The delivery hub: one look serves many streams. One a process; it lives while somebody reads.

Wake-ups and a tick say which streams are due. A look checks their rights anew, reads what is new behind their cursors,
opens each text once, and puts it where each stream takes it. Marks and leases are written in groups behind it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Final
from uuid import UUID

import structlog

from app.actors import Customer, Staff
from app.conversations import looks, queries
from app.conversations.errors import NotYourRoom
from app.conversations.gathering import Gathering
from app.conversations.inbox import Inbox
from app.conversations.items import CLOSING, SLOW_READER
from app.conversations.leases import Leases
from app.conversations.looks import Line, Lookout, Standing, Verdict
from app.conversations.marks import Delivered, delivered_to, move_marks, side_of
from app.conversations.queries import Entry
from app.conversations.rules import sees_event, sees_message
from app.conversations.service import topic
from app.database import transaction
from app.errors import RiserboError
from app.services import Services
from app.sessions.service import staff_topic
from security.envelope import Place
from security.errors import SecurityError

_log = structlog.get_logger("riserbo.rooms")

LOOK_EVERY: Final = 0.8
"""Seconds after which an idle stream's rights are checked anew; with the rests below it stays under a second."""
TICK: Final = 0.05
CHUNK: Final = 256
SHORTEST_REST: Final = 0.001
LONGEST_REST: Final = 0.02
LONGEST_LOOK: Final = 10.0
MARKS_REST: Final = 0.05
QUIET_AFTER: Final = 15.0
STALLED_AFTER: Final = 60.0


class Hub:
    """The streams of one process and the one task that looks for all of them."""

    def __init__(self, services: Services) -> None:
        self.leases = Leases(services)
        self._services = services
        self._lookout = Lookout(services)
        self._marks = Gathering(self._move_marks, rest=MARKS_REST, largest=1024)
        self._inboxes: OrderedDict[Inbox, None] = OrderedDict()
        self._topics: dict[str, set[Inbox]] = {}
        self._due: OrderedDict[Inbox, None] = OrderedDict()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self, actor: Staff | Customer, room_id: UUID, after: int) -> Inbox:
        """Register a stream; its first look comes at once."""
        inbox = Inbox(self._services.policy, actor, room_id, after, asyncio.get_running_loop().time())
        self._inboxes[inbox] = None
        for name in _topics_of(inbox):
            self._topics.setdefault(name, set()).add(inbox)
        self.make_due(inbox)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="delivery")
        return inbox

    def close(self, inbox: Inbox) -> None:
        """The reader has gone; does nothing the second time."""
        inbox.close()
        if inbox not in self._inboxes:
            return
        del self._inboxes[inbox]
        self._due.pop(inbox, None)
        for name in _topics_of(inbox):
            self._topics[name].discard(inbox)
            if not self._topics[name]:
                del self._topics[name]
        if not self._inboxes:
            self._woken.set()

    def make_due(self, inbox: Inbox) -> None:
        """Look for this stream next."""
        if inbox in self._inboxes and not inbox.ended:
            self._due[inbox] = None
            self._woken.set()

    def delivered(self, inbox: Inbox) -> None:
        """Its reader has everything up to the last number taken: move the mark, and look for what found no room."""
        self._marks.add(delivered_to(inbox.actor, inbox.room_id, inbox.last))
        if inbox.is_behind:
            self.make_due(inbox)

    async def drain(self) -> None:
        """Until marks and leases are written; and the look is over, where nobody reads or the service stops."""
        if self._task is not None and (not self._inboxes or self._services.wakeups.stopping.is_set()):
            await asyncio.wait([self._task])
        await self._marks.drain()
        await self.leases.drain()

    def _notified(self, name: str) -> None:
        for inbox in self._topics.get(name, ()):
            self.make_due(inbox)

    async def _run(self) -> None:
        loop, wakeups = asyncio.get_running_loop(), self._services.wakeups
        wakeups.follow(self._notified)
        stopping = loop.create_task(wakeups.stopping.wait())
        stopping.add_done_callback(lambda _: self._woken.set())
        try:
            while self._inboxes and not stopping.done():
                chunk = self._next_chunk(loop.time())
                if not chunk:
                    await self._sleep(loop.time())
                    continue
                began = loop.time()
                await self._serve(chunk)
                # As long as the look took: under load the next one serves more streams at once.
                await asyncio.sleep(min(max(loop.time() - began, SHORTEST_REST), LONGEST_REST))
            for inbox in self._inboxes:
                inbox.end(CLOSING)
        finally:
            wakeups.unfollow(self._notified)
            stopping.cancel()
            self._task = None
            # Another task may begin while this connection closes; it has one of its own.
            lookout, self._lookout = self._lookout, Lookout(self._services)
            with suppress(Exception):
                await lookout.close()

    async def _sleep(self, now: float) -> None:
        oldest = next(iter(self._inboxes), None)
        pause = LOOK_EVERY if oldest is None else max(oldest.checked + LOOK_EVERY - now, TICK)
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _next_chunk(self, now: float) -> list[Inbox]:
        """Who was woken, and beside them who was not looked at for long: load must not delay a revocation."""
        chunk = list(islice(self._due, CHUNK))
        for inbox in chunk:
            del self._due[inbox]
        chosen = set(chunk)
        for inbox in self._inboxes:
            if inbox.checked + LOOK_EVERY > now or len(chunk) >= 2 * CHUNK:
                break
            if inbox not in chosen:
                chunk.append(inbox)
        for inbox in chunk:
            inbox.checked = now
            self._inboxes.move_to_end(inbox)
        return [inbox for inbox in chunk if not inbox.ended]

    async def _serve(self, chunk: Sequence[Inbox]) -> None:
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                await self._look(chunk)
        except Exception as fault:  # noqa: BLE001 (the database is the truth; while it is away nothing is shown)
            _log.warning("look_failed", error=type(fault).__name__, count=len(chunk))

    async def _look(self, chunk: Sequence[Inbox]) -> None:
        questions = [(inbox.question, inbox.cursor, inbox.mark) for inbox in chunk]
        found = await self._lookout.look(questions, self._services.clock())
        opened: dict[UUID, Entry] = {}
        for place, inbox in enumerate(chunk):
            standing = found.standings.get(place)
            if standing is not None and standing.verdict is not Verdict.FINE:
                await self._refuse(inbox, standing.verdict)
            elif standing is not None:
                await self._hand_over(inbox, standing, opened)
            elif not found.all_told:
                self.make_due(inbox)
            self._after_look(inbox, standing)

    async def _hand_over(self, inbox: Inbox, standing: Standing, opened: dict[UUID, Entry]) -> None:
        try:
            for line in standing.lines:
                if not inbox.has_room:
                    return
                if _sees(inbox, line, standing):
                    inbox.put(await self._opened(line, opened))
                else:
                    inbox.cursor = line.entry.n
        except (RiserboError, SecurityError) as fault:
            # One text that cannot be opened ends the streams that want it, and no other.
            _log.error("text_not_opened", error=type(fault).__name__)
            inbox.end(fault.code if isinstance(fault, RiserboError) else "unavailable")

    async def _opened(self, line: Line, opened: dict[UUID, Entry]) -> Entry:
        entry = line.entry
        if line.sealed is None or entry.message_id is None:
            return entry
        if entry.message_id not in opened:
            place = Place("messages", "sealed_text", str(entry.message_id))
            text = await self._services.vault.open_text(place, line.sealed)
            opened[entry.message_id] = replace(entry, text=text)
        return opened[entry.message_id]

    def _after_look(self, inbox: Inbox, standing: Standing | None) -> None:
        if inbox.ended:
            return
        if standing is not None:
            if standing.mark != inbox.mark:
                inbox.tell_mark(standing.mark)
            inbox.is_behind = standing.last_n > inbox.cursor
            if inbox.is_behind and inbox.has_room:
                self.make_due(inbox)
        waited = inbox.checked - inbox.taken_at
        if waited > STALLED_AFTER and not inbox.is_empty:
            inbox.end(SLOW_READER)
        elif waited > QUIET_AFTER:
            inbox.still_there()

    async def _refuse(self, inbox: Inbox, verdict: Verdict) -> None:
        inbox.end(looks.REFUSALS[verdict].code)
        if verdict is Verdict.NOT_YOURS and isinstance(inbox.actor, Staff):
            try:
                async with transaction(self._services) as db:
                    await queries.room_for_staff(db, inbox.actor, inbox.room_id, act="watch")
            except NotYourRoom:
                return

    async def _move_marks(self, delivered: Sequence[Delivered]) -> None:
        latest: dict[tuple[UUID, str], Delivered] = {}
        for one in delivered:
            before = latest.get((one.room_id, one.side))
            # A session that took over from another one in the same moment speaks for itself only.
            if before is None or before.n < one.n or before.only_session != one.only_session:
                latest[one.room_id, one.side] = one
        for room_id, side in await move_marks(self._services, list(latest.values())):
            self._services.wakeups.notify(mark_topic(room_id, side))


def mark_topic(room_id: UUID, side: str) -> str:
    """The wake-up topic of how far a side has read; only the other side listens."""
    return f"{topic(room_id)}:{side}"


def hub_of(services: Services) -> Hub:
    """The hub of this process, made at its first stream."""
    if services.delivery is None:
        services.delivery = Hub(services)
    hub: Hub = services.delivery
    return hub


def _topics_of(inbox: Inbox) -> list[str]:
    other = "customer" if side_of(inbox.actor) == "agent" else "agent"
    topics = [topic(inbox.room_id), mark_topic(inbox.room_id, other)]
    return [*topics, staff_topic(inbox.actor.id)] if isinstance(inbox.actor, Staff) else topics


def _sees(inbox: Inbox, line: Line, standing: Standing) -> bool:
    if inbox.sight is None:
        return True
    if line.sealed is not None:
        return sees_message(inbox.sight, line.entry.data_class or "", line.session_id)
    return standing.begun is not None and sees_event(inbox.sight, line.entry.at, standing.begun)
