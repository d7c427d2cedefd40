"""The background work: arrivals, outbox, sequencing and signing of the log, sweeps. Several processes may run it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.sequencer import GROUP, beat, sequence
from app.audit.service import SEQUENCER_TOPIC, record
from app.binding import code_delivery, notices
from app.binding import sweeping as binding_sweeps
from app.cases.arriving import READ_THREAD, take_in
from app.cases.models import Case
from app.cases.threads import read_thread
from app.channels.ports import ChannelError
from app.compliance.building import BUILD_EXPORT, build_export
from app.compliance.models import Export
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.database import reading, transaction
from app.directory.port import DirectoryUnavailable
from app.handover.posting import post_reply
from app.handover.service import POST_REPLY
from app.limits.idempotency import forget_old
from app.main import Installation
from app.notifications.senders import SendFailed
from app.notifications.service import WORKER_TOPIC, Work, claim, retry_later
from app.outbound import OutboundError

_log = structlog.get_logger("riserbo.worker")
Handler = Callable[[Work], Awaitable[None]]
Round = Callable[[], Awaitable[object]]

HEARTBEAT: Final = 60.0
SWEEP: Final = 5.0
PASSING: Final = (ChannelError, DirectoryUnavailable, SendFailed, OutboundError, TimeoutError)


@dataclass(frozen=True)
class Loop:
    """One endless job: `round` runs every `seconds`, or at once when `topic` is notified."""

    name: str
    round: Round
    seconds: float
    topic: str | None = None


class Worker:
    """Runs the loops of one installation until it is stopped."""

    def __init__(self, house: Installation) -> None:
        self._house = house
        self._tasks: list[asyncio.Task[None]] = []
        self._handlers = handlers(house)

    def start(self) -> None:
        """Begin all loops in the running event loop."""
        for loop in self.loops():
            self._tasks.append(asyncio.get_running_loop().create_task(self._repeat(loop), name=loop.name))

    async def stop(self) -> None:
        """End all loops; a round under way is finished by whoever comes next, from what is stored."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def loops(self) -> list[Loop]:
        """What runs, and how often."""
        house, services = self._house, self._house.services
        polls = [
            Loop(f"poll {one.name}", lambda one=one: take_in(services, one, house.clocks), house.settings.poll_seconds)  # type: ignore[misc]
            for one in house.parts.connectors
        ]
        return [
            *polls,
            Loop("outbox", self.outbox_round, 1.0, WORKER_TOPIC),
            Loop("log", self.log_round, 1.0, SEQUENCER_TOPIC),
            Loop("heartbeat", lambda: beat(services), HEARTBEAT),
            Loop("sweeps", self.sweep_round, SWEEP),
        ]

    async def outbox_round(self) -> int:
        """Work off what is due; returns how much was."""
        works = await claim(self._house.services)
        for work in works:
            await self._work(work)
        if works:
            self._house.services.wakeups.notify(WORKER_TOPIC)
        return len(works)

    async def log_round(self) -> None:
        """Place waiting leaves, then sign the head."""
        placed = GROUP
        while placed == GROUP:
            placed = await sequence(self._house.services)
        await self._house.signer.sign(self._house.services)

    async def sweep_round(self) -> None:
        """What time does: sessions lock, attempts and waiting answers expire, unread answers are announced."""
        house = self._house
        await binding_sweeps.sweep(house.services)
        await room_sweeps.expire(house.services)
        await notices.announce_unread(house.services)
        async with transaction(house.services) as db:
            await forget_old(db, house.services.clock())

    async def sweep_orphan_keys(self) -> int:
        """Destroy data keys older than an hour that no case, room or export uses; returns how many."""
        services = self._house.services
        old = await services.vault.unattached_since(services.clock() - timedelta(hours=1))
        async with reading(services) as db:
            used = {key for model in (Case, Conversation, Export) for key in await _key_ids(db, model)}
        orphans = [key for key in old if key not in used]
        if orphans:
            async with transaction(services) as db:
                record(db, "keys.swept", stream="log", actor=SYSTEM, data={"count": len(orphans)})
            await services.vault.sweep(orphans)
        return len(orphans)

    async def _work(self, work: Work) -> None:
        try:
            await self._handlers[work.topic](work)
        except PASSING as fault:
            await self._again(work, type(fault).__name__)
        except Exception as fault:  # noqa: BLE001 (one bad row must not stop the others)
            _log.error("work_failed", error=type(fault).__name__, topic=work.topic)
            await self._again(work, type(fault).__name__)

    async def _again(self, work: Work, reason: str) -> None:
        if await retry_later(self._house.services, work, reason):
            return
        async with transaction(self._house.services) as db:
            data = {"topic": work.topic, "id": str(work.id), "reason": reason}
            record(db, "delivery.failed", stream="log", actor=SYSTEM, data=data)

    async def _repeat(self, loop: Loop) -> None:
        wakeups = self._house.services.wakeups
        async with wakeups.listen(loop.topic or loop.name) as woken:
            while not wakeups.stopping.is_set():
                woken.clear()
                try:
                    await loop.round()
                except Exception as fault:  # noqa: BLE001 (a failing round is tried again, and seen)
                    _log.error("round_failed", error=type(fault).__name__, loop=loop.name)
                await wakeups.wait(woken, loop.seconds)


def handlers(house: Installation) -> dict[str, Handler]:
    """Which function works which topic of the outbox."""
    services = house.services
    table: dict[str, Handler] = {
        READ_THREAD: lambda work: read_thread(services, house.parts.connectors, work),
        POST_REPLY: lambda work: post_reply(services, house.handover, work),
        BUILD_EXPORT: lambda work: build_export(services, house.compliance, work),
    }
    for topic, handler in (*code_delivery.HANDLERS.items(), *notices.HANDLERS.items()):
        table[topic] = lambda work, handler=handler: handler(services, house.binding, work)  # type: ignore[misc]
    return table


async def _key_ids(db: AsyncSession, model: type[Case | Conversation | Export]) -> set[UUID]:
    return set((await db.execute(select(model.key_id))).scalars())
