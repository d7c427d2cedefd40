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
from app.agents import break_glass
from app.audit.models import Leaf
from app.audit.sequencer import GROUP, beat, sequence
from app.audit.service import SEQUENCER_TOPIC, record
from app.binding import account_watch, code_delivery, incoming_messages, notices
from app.binding import sweeping as binding_sweeps
from app.cases.arriving import READ_THREAD, take_in
from app.cases.models import Case
from app.cases.threads import read_thread
from app.channels.ports import ChannelError, Connector
from app.clock_watch import ClockWatch
from app.compliance.building import BUILD_EXPORT, build_export
from app.compliance.models import Export
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.database import reading, transaction
from app.directory.phone_changes import PhoneChangesUnavailable
from app.directory.port import DirectoryUnavailable
from app.handover.posting import give_up, post_reply
from app.handover.service import POST_REPLY
from app.ids import made_at
from app.limits import guesses, idempotency, once, rates
from app.main import Installation
from app.notifications.senders import SendFailed
from app.notifications.service import LEASE, WORKER_TOPIC, Work, claim, renew, retry_later
from app.outbound import OutboundError
from app.sign_on import flows

_log = structlog.get_logger("riserbo.worker")
Handler = Callable[[Work], Awaitable[None]]
Round = Callable[[], Awaitable[object]]

HEARTBEAT: Final = 60.0
SWEEP: Final = 5.0
ORPHANS: Final = 3600.0
MESSAGES: Final = 3.0
"""Somebody who was asked to write sits in front of the page and waits."""
HANDS: Final = 20
FINISH: Final = 3.0
"""Seconds that a stop gives to what is under way."""
PASSING: Final = (ChannelError, DirectoryUnavailable, PhoneChangesUnavailable, SendFailed, OutboundError, TimeoutError)


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
        self._under_way: set[asyncio.Task[None]] = set()
        self._in_a_round: set[asyncio.Task[None]] = set()
        self._ending = False
        self._clock = ClockWatch(house.services)
        self._handlers = handlers(house)

    def start(self) -> None:
        """Begin all loops in the running event loop, also after a stop."""
        self._ending = False
        for loop in self.loops():
            self._tasks.append(asyncio.get_running_loop().create_task(self._repeat(loop), name=loop.name))

    async def stop(self) -> None:
        """End all loops. What is under way has some seconds to finish; the rest is taken up again, from what is stored,
        by whoever comes next.
        """
        self._ending = True
        busy = {*self._in_a_round, *self._under_way}
        for task in self._tasks:
            if task not in busy:
                task.cancel()
        if busy:
            await asyncio.wait(busy, timeout=FINISH)
        for task in busy:
            task.cancel()
        await asyncio.gather(*self._tasks, *busy, return_exceptions=True)
        self._tasks.clear()

    def loops(self) -> list[Loop]:
        """What runs, and how often."""
        house, services = self._house, self._house.services
        polls = [
            Loop(f"poll {one.name}", lambda one=one: self._take_in(one), house.settings.poll_seconds)  # type: ignore[misc]
            for one in house.parts.connectors
        ]
        messages = [
            Loop(f"messages {one.name}", lambda one=one: incoming_messages.take_in(services, one), MESSAGES)  # type: ignore[misc]
            for one in house.parts.connectors
            if one.incoming is not None and one.direct_messages is not None
        ]
        return [
            *polls,
            *messages,
            Loop("outbox", self.outbox_round, 1.0, WORKER_TOPIC),
            Loop("log", self.log_round, 1.0, SEQUENCER_TOPIC),
            Loop("heartbeat", lambda: beat(services), HEARTBEAT),
            Loop("clock", self._clock.round, SWEEP),
            Loop("traffic", self.traffic_round, HEARTBEAT),
            *(Loop(name, sweep, SWEEP) for name, sweep in self.sweeps().items()),
            Loop("orphan keys", self.sweep_orphan_keys, ORPHANS),
        ]

    async def _take_in(self, connector: Connector) -> int:
        return await take_in(self._house.services, connector, self._house.clocks, incoming_messages.heard)

    def sweeps(self) -> dict[str, Round]:
        """What time does, each by itself: one that fails must not keep the others from their work."""
        services = self._house.services
        return {
            "proofs and sessions": lambda: binding_sweeps.sweep(services),
            "waiting answers": lambda: room_sweeps.expire(services),
            "unread answers": lambda: notices.announce_unread(services),
            "bound accounts": lambda: account_watch.watch_accounts(services, self._house.binding),
            "old repetitions": self._forget_old,
        }

    async def outbox_round(self) -> int:
        """Begin what is due, as far as there are hands; returns how much. A long export holds up no code."""
        free = HANDS - len(self._under_way) if not self._ending else 0
        works = await claim(self._house.services, free) if free > 0 else []
        for work in works:
            task = asyncio.get_running_loop().create_task(self._work(work), name=work.topic)
            self._under_way.add(task)
            task.add_done_callback(self._finished)
        return len(works)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            _log.error("work_lost", error=type(fault).__name__, topic=task.get_name())
        self._house.services.wakeups.notify(WORKER_TOPIC)

    async def idle(self) -> None:
        """Until everything that was begun has ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def log_round(self) -> None:
        """Place waiting leaves, then sign the head."""
        placed = GROUP
        while placed == GROUP:
            placed = await sequence(self._house.services)
        await self._house.signer.sign(self._house.services)

    async def traffic_round(self) -> None:
        """One leaf a minute for all refused requests of nobody in particular, instead of one for each."""
        traffic = self._house.services.traffic
        counts = {name: count for name, count in traffic.items() if count}
        if counts:
            async with transaction(self._house.services) as db:
                record(db, "traffic.summarised", stream="log", actor=SYSTEM, data={"counts": counts})
            traffic.subtract(counts)

    async def _forget_old(self) -> None:
        self._house.services.vault.forget_expired()
        now = self._house.services.clock()
        for forget_old in (
            idempotency.forget_old,
            guesses.forget_old,
            rates.forget_old,
            once.forget_old,
            flows.forget_old,
        ):
            async with transaction(self._house.services) as db:
                await forget_old(db, now)

    async def sweep_orphan_keys(self) -> int:
        """Destroy data keys older than an hour that no case, room or export uses; returns how many.

        Never one that is older than the log itself: an empty database beside a full key store is a mistake.
        """
        services = self._house.services
        old = await services.vault.unattached_since(services.clock() - timedelta(hours=1))
        async with reading(services) as db:
            used = {key for model in (Case, Conversation, Export) for key in await _key_ids(db, model)}
            first = (await db.execute(select(Leaf.id).order_by(Leaf.stage_no).limit(1))).scalar_one_or_none()
        if first is None:
            return 0
        orphans = [key for key in old if key not in used and made_at(key) >= made_at(first)]
        if orphans:
            async with transaction(services) as db:
                record(db, "keys.swept", stream="log", actor=SYSTEM, data={"count": len(orphans)})
            await services.vault.sweep(orphans)
        return len(orphans)

    async def _work(self, work: Work) -> None:
        lease = asyncio.get_running_loop().create_task(self._keep_lease(work, asyncio.current_task()))
        try:
            await self._handlers[work.topic](work)
        except PASSING as fault:
            await self._again(work, type(fault).__name__)
        except Exception as fault:  # noqa: BLE001 (one bad row must not stop the others)
            _log.error("work_failed", error=type(fault).__name__, topic=work.topic)
            await self._again(work, type(fault).__name__)
        finally:
            lease.cancel()

    async def _keep_lease(self, work: Work, worker: asyncio.Task[None] | None) -> None:
        """Renew it; where somebody else has taken the work over meanwhile, this process must not go on with it."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                held = await renew(self._house.services, work)
            except Exception as fault:  # noqa: BLE001 (a database that is away for a moment; the next try may come in time)
                _log.warning("lease_not_renewed", error=type(fault).__name__, topic=work.topic)
                continue
            if not held and worker is not None:
                _log.warning("lease_lost", topic=work.topic)
                worker.cancel()
                return

    async def _again(self, work: Work, reason: str) -> None:
        if await retry_later(self._house.services, work, reason):
            return
        async with transaction(self._house.services) as db:
            data = {"topic": work.topic, "id": str(work.id), "reason": reason}
            record(db, "delivery.failed", stream="log", actor=SYSTEM, data=data)
        if work.topic == POST_REPLY:
            await give_up(self._house.services, work)

    async def _repeat(self, loop: Loop) -> None:
        wakeups = self._house.services.wakeups
        async with wakeups.listen(loop.topic or loop.name) as woken:
            while not wakeups.stopping.is_set() and not self._ending:
                woken.clear()
                await self._one_round(loop)
                await wakeups.wait(woken, loop.seconds)

    async def _one_round(self, loop: Loop) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._in_a_round.add(task)
        try:
            await loop.round()
        except Exception as fault:  # noqa: BLE001 (a failing round is tried again, and seen)
            _log.error("round_failed", error=type(fault).__name__, job=loop.name)
        finally:
            self._in_a_round.discard(task)


def handlers(house: Installation) -> dict[str, Handler]:
    """Which function works which topic of the outbox."""
    services = house.services
    table: dict[str, Handler] = {
        READ_THREAD: lambda work: read_thread(services, house.parts.connectors, work),
        POST_REPLY: lambda work: post_reply(services, house.handover, work),
        BUILD_EXPORT: lambda work: build_export(services, house.compliance, work),
    }
    senders, language = house.parts.senders, house.settings.language
    table[break_glass.NOTICE] = lambda work: break_glass.deliver(services, senders, language, work)
    for topic, handler in (*code_delivery.HANDLERS.items(), *notices.HANDLERS.items()):
        table[topic] = lambda work, handler=handler: handler(services, house.binding, work)  # type: ignore[misc]
    return table


async def _key_ids(db: AsyncSession, model: type[Case | Conversation | Export]) -> set[UUID]:
    return set((await db.execute(select(model.key_id))).scalars())
