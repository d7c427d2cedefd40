"""The outbox: joins its transaction, is claimed once, comes back from the dead, and keeps nothing when it is done."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from app.database import reading, transaction
from app.notifications.models import OutboxRow
from app.notifications.service import (
    CODES_FIRST,
    LATER,
    LEASE,
    MOST_ATTEMPTS,
    Work,
    claim,
    enqueue,
    finish,
    renew,
    retry_later,
)
from app.vault import WrappedKeyRow
from tests.support.house import House


async def put(house: House, number: int = 1, **options: Any) -> UUID:
    return await house.act(lambda db: enqueue(db, "topic", {"secret": f"canarino {number}"}, **options))


async def row_of(house: House, work_id: UUID) -> OutboxRow:
    async with reading(house.services) as db:
        return (await db.execute(select(OutboxRow).where(OutboxRow.id == work_id))).scalar_one()


async def test_work_exists_only_if_its_transaction_does(house: House) -> None:
    async def fail(db: Any) -> None:
        await enqueue(db, "topic", {})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await house.act(fail)
    assert await claim(house.services) == []


async def test_a_payload_is_sealed_and_wiped_when_done(house: House) -> None:
    work_id = await put(house)
    row = await row_of(house, work_id)
    assert row.sealed_payload is not None
    assert b"canarino" not in row.sealed_payload
    [work] = await claim(house.services)
    assert work.payload == {"secret": "canarino 1"}
    assert "canarino" not in repr(work)
    await house.act(lambda db: finish(db, work.id))
    row = await row_of(house, work_id)
    assert (row.sealed_payload, row.outcome, row.done_at) == (None, "done", house.clock())


async def test_four_workers_claim_each_work_once(house: House) -> None:
    ids = {await put(house, number) for number in range(24)}
    claimed: list[UUID] = []

    async def work() -> None:
        for _ in range(12):
            claimed.extend(one.id for one in await claim(house.services, 3))

    await asyncio.gather(*(work() for _ in range(4)))
    assert sorted(claimed) == sorted(ids)


async def test_a_dead_workers_work_comes_back_when_its_lease_is_over(house: House) -> None:
    await put(house)
    [first] = await claim(house.services)
    house.clock.pass_by(seconds=LEASE.total_seconds())
    assert await claim(house.services) == []
    house.clock.pass_by(seconds=1)
    [again] = await claim(house.services)
    assert (again.id, first.attempts, again.attempts) == (first.id, 1, 2)


async def test_a_lease_that_is_renewed_is_not_over(house: House) -> None:
    await put(house)
    [work] = await claim(house.services)
    for _ in range(3):
        house.clock.pass_by(seconds=40)
        await renew(house.services, work)
        assert await claim(house.services) == []
    await house.act(lambda db: finish(db, work.id))
    await renew(house.services, work)
    assert (await row_of(house, work.id)).locked_until is None


async def test_codes_go_first_then_by_time(house: House) -> None:
    later = await put(house, priority=LATER)
    normal = await put(house)
    house.clock.pass_by(seconds=1)
    second = await put(house)
    code = await put(house, priority=CODES_FIRST)
    future = await put(house, run_at=house.clock() + timedelta(minutes=5))
    assert [one.id for one in await claim(house.services)] == [code, normal, second, later]
    house.clock.pass_by(minutes=5)
    assert future in [one.id for one in await claim(house.services)]


async def test_an_expired_code_is_closed_unsent_and_forgotten(house: House) -> None:
    work_id = await put(house, expires_at=house.clock() + timedelta(minutes=5))
    house.clock.pass_by(minutes=5, seconds=1)
    assert await claim(house.services) == []
    row = await row_of(house, work_id)
    assert (row.sealed_payload, row.outcome) == (None, "expired")
    assert row.done_at == house.clock()


async def test_the_same_thing_is_not_done_twice(house: House) -> None:
    await put(house, dedupe="thread:1")
    [work] = await claim(house.services)
    await put(house, dedupe="thread:1")
    await house.act(lambda db: finish(db, work.id))
    await put(house, dedupe="thread:1")
    assert await claim(house.services) == []
    assert len(await house.all(OutboxRow)) == 1


async def test_a_failure_waits_longer_each_time_and_ends(house: House) -> None:
    work_id = await put(house)
    pauses = []
    for _ in range(MOST_ATTEMPTS - 1):
        [work] = await claim(house.services)
        assert await retry_later(house.services, work, "SendFailed")
        pause = (await row_of(house, work_id)).run_at - house.clock()
        house.clock.now += pause - timedelta(seconds=1)
        assert await claim(house.services) == []
        house.clock.pass_by(seconds=1)
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == len(pauses)
    [work] = await claim(house.services)
    assert not await retry_later(house.services, work, "SendFailed")
    row = await row_of(house, work_id)
    assert (row.sealed_payload, row.outcome) == (None, "gave up: SendFailed")
    house.clock.pass_by(days=1)
    assert await claim(house.services) == []


@pytest.mark.parametrize("attempts", [1, MOST_ATTEMPTS])
async def test_whoever_has_lost_its_lease_gives_nothing_back_and_closes_nothing(house: House, attempts: int) -> None:
    """A paused worker goes on and fails: given back, the work would be done by a third one beside the second."""
    work_id = await put(house)
    await house.act(lambda db: db.execute(update(OutboxRow).values(attempts=attempts - 1)))
    [first] = await claim(house.services)
    house.clock.pass_by(seconds=LEASE.total_seconds() + 1)
    [_second] = await claim(house.services)
    assert await retry_later(house.services, first, "TimeoutError")
    row = await row_of(house, work_id)
    assert (row.done_at, row.locked_until) == (None, house.clock() + LEASE)
    await house.act(lambda db: finish(db, work_id))
    assert await retry_later(house.services, first, "TimeoutError")
    assert (await row_of(house, work_id)).outcome == "done"


async def test_an_unreadable_row_is_given_up_and_holds_up_nobody(house: House) -> None:
    """Its key was destroyed: without an end it came back for ever, together with what it was claimed with."""
    key = await house.services.vault.create_key("case")
    lost = await house.act(lambda db: enqueue(db, "topic", {"secret": "x"}, key=key))
    changed, good = await put(house, 2), await put(house, 3)
    async with house.key_engine.begin() as connection:
        await connection.execute(delete(WrappedKeyRow).where(WrappedKeyRow.id == key.id))
    house.services.vault._cache.clear()
    await house.act(
        lambda db: db.execute(update(OutboxRow).where(OutboxRow.id == changed).values(sealed_payload=b"\x01broken"))
    )
    assert [one.id for one in await claim(house.services)] == [good]
    for work_id in (lost, changed):
        row = await row_of(house, work_id)
        assert (row.sealed_payload, row.outcome) == (None, "unreadable")
    failed = await house.leaves("delivery.failed")
    assert {leaf["data"]["id"] for leaf in failed} == {str(lost), str(changed)}


async def test_committed_work_wakes_the_worker_and_rolled_back_work_does_not(house: House) -> None:
    async with house.services.wakeups.listen("worker") as woken:
        async with transaction(house.services) as db:
            await enqueue(db, "topic", {})
            assert not woken.is_set()
        assert woken.is_set()


def test_work_prints_no_payload() -> None:
    work = Work(UUID(int=1), "topic", {"code": "12345678"}, 1, None)
    assert "12345678" not in f"{work} {work!r}"
