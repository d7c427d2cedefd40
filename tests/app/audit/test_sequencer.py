"""Places in the log: each committed leaf exactly once, whoever places them, and nothing that was rolled back."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select, text

from app.actors import SYSTEM
from app.audit import queries
from app.audit.models import Leaf, LogHead, SequencedLeaf
from app.audit.sequencer import GROUP, LogDamaged, beat, sequence, start_log
from app.audit.service import record
from app.database import reading, transaction
from security.merkle import root_of
from tests.support.house import ORIGIN, House, root_of_leaves
from tests.support.tampering import tampered


async def write(house: House, number: int) -> None:
    """Every third transaction is rolled back, after its leaf was written."""
    async with transaction(house.services) as db:
        record(db, "log.heartbeat", stream=f"s{number % 4}", actor=SYSTEM, data={"size": number})
        if number % 3 == 0:
            raise RuntimeError


async def check_log(house: House) -> int:
    """The sequence holds each leaf once, and the head is what follows from it; returns the size."""
    async with reading(house.services) as db:
        placed = list((await db.execute(select(SequencedLeaf).order_by(SequencedLeaf.leaf_index))).scalars())
        stages = set((await db.execute(select(Leaf.stage_no))).scalars())
        head = (await db.execute(select(LogHead))).scalar_one()
        leaves = await queries.leaves(db, head.size)
        assert await queries.pending_count(db) == 0
    assert [one.leaf_index for one in placed] == list(range(head.size))
    assert sorted(one.stage_no for one in placed) == sorted(stages)
    assert root_of([one.leaf_hash for one in placed]) == head.root == root_of_leaves(leaf for _, leaf in leaves)
    return head.size


async def test_two_sequencers_place_every_committed_leaf_once_and_no_rolled_back_one(house: House) -> None:
    before = len(await house.leaves())
    done = asyncio.Event()

    async def place() -> None:
        while not done.is_set():
            await sequence(house.services)
            await asyncio.sleep(0)

    sequencers = [asyncio.create_task(place()) for _ in range(2)]
    outcomes = await asyncio.gather(*(write(house, number) for number in range(60)), return_exceptions=True)
    done.set()
    await asyncio.gather(*sequencers)
    await sequence(house.services)
    assert [type(one) for one in outcomes].count(RuntimeError) == 20
    assert await check_log(house) == before + 40


async def test_a_stream_keeps_its_order_in_the_log(house: House) -> None:
    await asyncio.gather(
        *(write(house, number) for number in range(1, 40, 3)), *(beat(house.services) for _ in range(5))
    )
    await house.log_round()
    async with reading(house.services) as db:
        leaves = [json.loads(leaf) for _, leaf in await queries.leaves(db, 1000)]
    for stream in {leaf["stream"] for leaf in leaves}:
        numbers = [leaf["n"] for leaf in leaves if leaf["stream"] == stream]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_sequencer_that_dies_in_the_middle_has_done_nothing(house: House) -> None:
    await beat(house.services)

    async def die() -> None:
        async with transaction(house.services) as db:
            await db.execute(select(LogHead).with_for_update())
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await die()
    await house.log_round()
    await check_log(house)


async def test_more_leaves_than_one_group_are_placed_in_turns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GROUP == 1000
    monkeypatch.setattr("app.audit.sequencer.GROUP", 3)
    for _ in range(4):
        await beat(house.services)
    await house.log_round()
    size = await check_log(house)
    assert await sequence(house.services) == 0
    assert await check_log(house) == size


async def test_a_leaf_that_was_changed_before_its_place_stops_the_log(house: House) -> None:
    await house.log_round()
    size = await check_log(house)
    await beat(house.services)
    await tampered(
        house,
        "UPDATE audit_leaves SET leaf = :leaf WHERE stage_no = (SELECT max(stage_no) FROM audit_leaves)",
        leaf=b"{}",
    )
    with pytest.raises(LogDamaged):
        await sequence(house.services)
    async with reading(house.services) as db:
        assert (await db.execute(select(LogHead.size))).scalar_one() == size


async def test_a_leaf_that_was_changed_after_its_place_no_longer_fits_the_root(house: House) -> None:
    await house.log_round()
    await tampered(
        house,
        "UPDATE audit_leaves SET leaf = :leaf WHERE stage_no = (SELECT min(stage_no) FROM audit_leaves)",
        leaf=b"{}",
    )
    async with reading(house.services) as db:
        head = (await db.execute(select(LogHead))).scalar_one()
        assert root_of_leaves(leaf for _, leaf in await queries.leaves(db, head.size)) != head.root


async def test_a_log_begins_once_however_many_start_it(house: House) -> None:
    await tampered(house, "DELETE FROM audit_log")
    await asyncio.gather(*(start_log(house.services, ORIGIN) for _ in range(4)))
    await start_log(house.services, "other.example/log")
    assert [row.origin for row in await house.all(LogHead)] == [ORIGIN]


async def test_a_heartbeat_names_the_size_it_saw(house: House) -> None:
    await house.log_round()
    size = await check_log(house)
    await beat(house.services)
    assert (await house.leaves("log.heartbeat"))[-1]["data"] == {"size": size}


async def test_a_place_can_be_looked_up(house: House) -> None:
    async with transaction(house.services) as db:
        leaf_id = record(db, "log.heartbeat", stream="s", actor=SYSTEM, data={"size": 1})
    async with reading(house.services) as db:
        assert await queries.index_of(db, leaf_id) is None
        assert await queries.pending_count(db) > 0
        assert await queries.latest_checkpoint(db) is None
    await house.log_round()
    async with reading(house.services) as db:
        index = await queries.index_of(db, leaf_id)
        assert index is not None
        covering = await queries.checkpoint_covering(db, index)
        assert covering is not None
        assert covering.size > index
        assert await queries.checkpoint_covering(db, covering.size) is None
        head = await queries.head(db)
        assert head is not None
        assert len(await queries.leaf_hashes(db, head.size)) == head.size
        assert [one.stream for one in await queries.stream_heads(db, ["s"])] == ["s"]
        assert (await db.execute(text("SELECT count(*) FROM audit_pending"))).scalar_one() == 0
