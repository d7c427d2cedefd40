"""The worker: long work holds up no short one, one failing sweep stops no other, orphan keys go, failures are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app import worker as worker_module
from app.agents import break_glass
from app.binding import code_delivery, notices
from app.cases.arriving import READ_THREAD
from app.cases.models import Case
from app.channels.ports import ChannelUnavailable
from app.compliance.building import BUILD_EXPORT
from app.compliance.models import Export
from app.conversations.models import Conversation
from app.database import Base, reading
from app.handover import service as handover
from app.handover.models import Reply
from app.main import Installation
from app.notifications.models import OutboxRow
from app.notifications.senders import Senders, SendFailed
from app.notifications.service import MOST_ATTEMPTS, WORKER_TOPIC, Work, enqueue, finish
from app.vault import WrappedKeyRow
from app.worker import Worker, handlers
from tests.support.house import House

GOOD = "Ciao Giulia, ci dispiace. Ne parliamo in privato qui sotto."


def installation(house: House) -> Installation:
    """As much of an installation as the worker looks at."""
    parts = SimpleNamespace(connectors=(house.connector,), senders=Senders(None, None))
    settings = SimpleNamespace(poll_seconds=60.0, language="it")
    return cast(
        "Installation",
        SimpleNamespace(
            settings=settings,
            services=house.services,
            parts=parts,
            signer=house.signer,
            handover=house.ports,
            binding=None,
            compliance=None,
            clocks=None,
        ),
    )


@pytest.fixture
def worker(house: House) -> Worker:
    return Worker(installation(house))


async def put(house: House, topic: str, **options: Any) -> UUID:
    return await house.act(lambda db: enqueue(db, topic, {}, **options))


async def outcomes(house: House) -> list[str | None]:
    return [row.outcome for row in sorted(await house.all(OutboxRow), key=lambda row: row.id)]


def finishing(house: House, done: list[str]) -> Any:
    async def handle(work: Work) -> None:
        done.append(work.topic)
        await house.act(lambda db: finish(db, work.id))

    return handle


async def until(held: Callable[[], bool]) -> None:
    for _ in range(500):
        if held():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never")


async def test_a_long_export_holds_up_no_code(house: House, worker: Worker) -> None:
    done: list[str] = []
    gate = asyncio.Event()

    async def slow(_work: Work) -> None:
        await gate.wait()

    worker._handlers = {"export": slow, "code": finishing(house, done)}
    await put(house, "export")
    assert await worker.outbox_round() == 1
    await put(house, "code")
    assert await worker.outbox_round() == 1
    await until(lambda: bool(done))
    gate.set()
    await worker.idle()


async def test_no_more_is_begun_than_there_are_hands(
    house: House, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "HANDS", 2)
    gate, done = asyncio.Event(), list[str]()
    real = finishing(house, done)

    async def slow(work: Work) -> None:
        await gate.wait()
        await real(work)

    worker._handlers = {"t": slow}
    for _ in range(3):
        await put(house, "t")
    assert [await worker.outbox_round(), await worker.outbox_round()] == [2, 0]
    async with house.services.wakeups.listen(WORKER_TOPIC) as woken:
        gate.set()
        await worker.idle()
        assert woken.is_set()
    assert await worker.outbox_round() == 1
    await worker.idle()
    assert len(done) == 3


async def test_long_work_keeps_its_lease(house: House, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LEASE", timedelta(seconds=0.03))
    gate = asyncio.Event()

    async def slow(_work: Work) -> None:
        await gate.wait()

    worker._handlers = {"t": slow}
    await put(house, "t")
    await worker.outbox_round()
    house.clock.pass_by(seconds=59)
    await asyncio.sleep(0.2)
    house.clock.pass_by(seconds=30)
    assert await Worker(installation(house)).outbox_round() == 0
    gate.set()
    await worker.idle()


async def test_a_lease_that_once_could_not_be_renewed_is_renewed_the_next_time(
    house: House, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LEASE", timedelta(seconds=0.03))
    gate, tries = asyncio.Event(), list[Work]()

    async def failing_first(_services: Any, work: Work) -> bool:
        tries.append(work)
        if len(tries) == 1:
            raise OperationalError("UPDATE", None, Exception("away"))
        return True

    async def slow(_work: Work) -> None:
        await gate.wait()

    monkeypatch.setattr(worker_module, "renew", failing_first)
    worker._handlers = {"t": slow}
    await put(house, "t")
    await worker.outbox_round()
    await until(lambda: len(tries) > 1)
    gate.set()
    await worker.idle()


@pytest.mark.parametrize("fault", [SendFailed("no"), ValueError("a secret"), KeyError("x")])
async def test_failed_work_comes_back_and_its_text_is_nowhere(
    house: House, worker: Worker, fault: Exception, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(_work: Work) -> None:
        raise fault

    worker._handlers = {"t": fail}
    await put(house, "t")
    await worker.outbox_round()
    await worker.idle()
    assert await outcomes(house) == [type(fault).__name__]
    assert "a secret" not in caplog.text + capsys.readouterr().out
    house.clock.pass_by(minutes=1)
    assert await worker.outbox_round() == 1
    await worker.idle()


async def test_work_that_nobody_knows_is_given_up_in_the_end_with_a_leaf(house: House, worker: Worker) -> None:
    await put(house, "unknown")
    for _ in range(MOST_ATTEMPTS):
        await worker.outbox_round()
        await worker.idle()
        house.clock.pass_by(minutes=11)
    assert await outcomes(house) == ["gave up: KeyError"]
    [leaf] = await house.leaves("delivery.failed")
    assert (leaf["data"]["topic"], leaf["data"]["reason"]) == ("unknown", "KeyError")


async def test_a_reply_that_could_not_be_posted_for_long_is_failed(house: House, worker: Worker) -> None:
    case_id = await house.claimed()
    await house.act(lambda db: handover.publish(db, house.ports, house.anna, case_id, GOOD))
    house.square.faults = [ChannelUnavailable("down")] * MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS + 1):
        await worker.outbox_round()
        await worker.idle()
        house.clock.pass_by(minutes=11)
    assert [row.state for row in await house.all(Reply)] == ["failed"]
    assert house.square.published == []
    assert len(await house.leaves("delivery.failed")) == 1


async def test_one_failing_sweep_stops_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    async def fail(_services: object) -> None:
        ran.append("failed")
        raise RuntimeError

    async def fine(_services: object) -> int:
        ran.append("fine")
        return 0

    monkeypatch.setattr(worker_module.binding_sweeps, "sweep", fail)
    monkeypatch.setattr(worker_module.room_sweeps, "expire", fine)
    monkeypatch.setattr(worker_module.notices, "announce_unread", fine)
    worker = Worker(installation(house))
    worker.start()
    await until(lambda: ran.count("fine") >= 2)
    await worker.stop()
    assert "failed" in ran


def test_every_sweep_has_a_loop_of_its_own_and_orphans_go_hourly(worker: Worker) -> None:
    loops = {loop.name: loop.seconds for loop in worker.loops()}
    assert loops["orphan keys"] == 3600.0
    assert set(worker.sweeps()) <= set(loops)
    assert {"outbox", "log", "heartbeat", "poll square"} <= set(loops)


async def key_ids(house: House) -> set[UUID]:
    async with house.key_engine.connect() as connection:
        return set((await connection.execute(select(WrappedKeyRow.id))).scalars())


async def test_orphan_keys_are_destroyed_after_an_hour_and_used_ones_never(house: House, worker: Worker) -> None:
    room = await house.room()
    orphan = await house.services.vault.create_key("room")
    assert await worker.sweep_orphan_keys() == 0
    house.clock.pass_by(minutes=61)
    young = await house.services.vault.create_key("room")
    assert await worker.sweep_orphan_keys() == 1
    left = await key_ids(house)
    assert orphan.id not in left
    assert {young.id, (await house.case(room.case_id)).key_id} <= left
    assert [leaf["data"] for leaf in await house.leaves("keys.swept")] == [{"count": 1}]
    assert await worker.sweep_orphan_keys() == 0
    house.services.vault._cache.clear()
    assert (await house.services.vault.service_key("lookup")).id in left


async def test_keys_older_than_the_log_belong_to_another_database(house: House, worker: Worker) -> None:
    """An empty database beside a full key store is a mistake: sweeping would destroy every room."""
    house.clock.now -= timedelta(days=30)
    foreign = await house.services.vault.create_key("room")
    house.clock.now += timedelta(days=31)
    assert await worker.sweep_orphan_keys() == 0
    assert foreign.id in await key_ids(house)


async def test_every_key_in_use_is_known_to_the_sweep(house: House) -> None:
    """A table with a key of its own that the sweep does not look at would lose it after an hour."""
    with_keys = {table.name for table in Base.metadata.tables.values() if "key_id" in table.columns}
    assert with_keys == {model.__tablename__ for model in (Case, Conversation, Export)}
    async with reading(house.services) as db:
        assert (await db.execute(select(Export.key_id))).all() == []


def test_every_topic_that_is_enqueued_has_a_handler(house: House) -> None:
    wanted = {
        READ_THREAD,
        handover.POST_REPLY,
        BUILD_EXPORT,
        break_glass.NOTICE,
        *code_delivery.HANDLERS,
        *notices.HANDLERS,
    }
    assert set(handlers(installation(house))) == wanted


async def test_stopping_ends_every_loop_and_leaves_its_work_to_the_next(house: House, worker: Worker) -> None:
    gate = asyncio.Event()

    async def slow(_work: Work) -> None:
        await gate.wait()

    worker._handlers = {"t": slow}
    await put(house, "t")
    worker.start()
    await until(lambda: bool(worker._under_way))
    await asyncio.wait_for(worker.stop(), 5)
    house.clock.pass_by(seconds=61)
    done: list[str] = []
    other = Worker(installation(house))
    other._handlers = {"t": finishing(house, done)}
    assert await other.outbox_round() == 1
    await other.idle()
    assert done == ["t"]
