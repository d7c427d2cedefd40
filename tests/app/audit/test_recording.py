"""A fact joins the transaction that makes it true: once, numbered in its stream, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Insert, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Customer, Operator, Role, Staff, Visitor, audit_name
from app.agents.models import StaffAccount
from app.audit.events import EVENTS
from app.audit.models import Leaf, PendingLeaf
from app.audit.service import _write_leaves, record
from app.database import before_commit, reading, transaction
from app.errors import Forbidden, RiserboError
from app.ids import new_id
from tests.architecture.sources import python_files
from tests.support.house import ON_POSTGRESQL, START, House


async def beat(house: House, *streams: str) -> None:
    async with transaction(house.services) as db:
        for stream in streams:
            record(db, "log.heartbeat", stream=stream, actor=SYSTEM, data={"size": 1})


def failing(fault: type[Exception]) -> Callable[[AsyncSession], Awaitable[None]]:
    async def act(db: AsyncSession) -> None:
        record(db, "log.heartbeat", stream="s", actor=SYSTEM, data={"size": 2})
        await db.flush()
        raise fault

    return act


async def count(house: House, model: type[Any]) -> int:
    async with reading(house.services) as db:
        return (await db.execute(select(func.count()).select_from(model))).scalar_one()


async def test_every_record_has_exactly_one_leaf_with_its_facts(house: House) -> None:
    async with transaction(house.services) as db:
        leaf_id = record(db, "case.read", stream="case:x", actor=house.anna, data={"part": "thread"})
    [leaf] = await house.leaves(stream="case:x")
    assert leaf == {
        "v": 1,
        "id": str(leaf_id),
        "t": "case.read",
        "at": "2026-11-21T19:01:00.000000Z",
        "actor": {"k": "agent", "id": str(house.anna.id), "role": "agent"},
        "stream": "case:x",
        "n": 1,
        "prev": "00" * 32,
        "data": {"part": "thread"},
    }


async def test_a_rolled_back_act_leaves_no_leaf_and_no_gap(house: House) -> None:
    await beat(house, "s")
    for fault in (RuntimeError, Forbidden):
        with pytest.raises(fault):
            await house.act(failing(fault))
    await beat(house, "s")
    assert [leaf["n"] for leaf in await house.leaves(stream="s")] == [1, 2]
    await house.check_streams()


async def test_an_act_whose_commit_fails_leaves_no_leaf(house: House) -> None:
    """The deferred key of another row breaks at the commit itself, when every leaf has been written."""

    async def act(db: AsyncSession) -> None:
        record(db, "log.heartbeat", stream="s", actor=SYSTEM, data={"size": 2})
        known = await db.get_one(StaffAccount, house.anna.id)
        known.leaf_id = new_id(START)

    before = await count(house, Leaf)
    with pytest.raises(DBAPIError):
        await house.act(act)
    assert await count(house, Leaf) == before
    await house.check_streams()


async def test_a_refusal_that_must_be_remembered_keeps_its_leaf(house: House) -> None:
    class Remembered(RiserboError):
        keeps_changes = True

    with pytest.raises(Remembered):
        await house.act(failing(Remembered))
    assert len(await house.leaves(stream="s")) == 1


async def test_an_unknown_event_or_field_is_refused_before_anything_is_stored(house: House) -> None:
    before = await count(house, Leaf)
    with pytest.raises(KeyError):
        async with transaction(house.services) as db:
            record(db, "case.invented", stream="s", actor=SYSTEM)
    with pytest.raises(ValueError, match="text"):
        async with transaction(house.services) as db:
            record(db, "case.read", stream="s", actor=SYSTEM, data={"part": "x", "text": "Buongiorno"})
    assert await count(house, Leaf) == before


async def test_a_fact_recorded_by_a_hook_of_the_commit_has_its_leaf_too(house: House) -> None:
    async def late(db: Any) -> None:
        record(db, "log.heartbeat", stream="late", actor=SYSTEM, data={"size": 2})

    async with transaction(house.services) as db:
        record(db, "log.heartbeat", stream="early", actor=SYSTEM, data={"size": 1})
        before_commit(db, late)
    assert len(await house.leaves(stream="late")) == 1


async def test_leaves_of_parallel_transactions_form_one_unbroken_chain_per_stream(house: House) -> None:
    """Streams shared crosswise, half of them new: a wrong order of locks would end in a deadlock on PostgreSQL."""
    await beat(house, "a", "c")
    before = await count(house, Leaf)
    rounds = [
        beat(house, *streams)
        for number in range(12)
        for streams in ((f"new-{number}", "c", "a"), ("a", "c", f"new-{number}"), ("c", f"new-{number}", "zz", "a"))
    ]
    await asyncio.wait_for(asyncio.gather(*rounds), 60)
    assert await count(house, Leaf) == before + 12 * 10
    assert await house.check_streams() == before + 12 * 10
    assert len(await house.leaves(stream="a")) == 37


@ON_POSTGRESQL
async def test_nobody_holds_a_head_while_waiting_for_somebody_elses_new_stream(house: House) -> None:
    """A deadlock on PostgreSQL, if heads were locked before new streams are born."""

    async def slowly() -> None:
        async with transaction(house.services) as db:
            execute = db.execute

            async def pausing(statement: Any, *values: Any, **options: Any) -> Any:
                result = await execute(statement, *values, **options)
                if isinstance(statement, Insert) and statement.table.name == "audit_streams":
                    await asyncio.sleep(0.4)
                return result

            db.execute = pausing  # type: ignore[method-assign]
            for stream in ("a", "c"):
                record(db, "log.heartbeat", stream=stream, actor=SYSTEM, data={"size": 1})

    async with transaction(house.services) as db:
        record(db, "log.heartbeat", stream="c", actor=SYSTEM, data={"size": 1})
        await _write_leaves(db)
        waiting = asyncio.create_task(slowly())
        await asyncio.sleep(0.2)
    await asyncio.wait_for(asyncio.gather(waiting, beat(house, "a", "c")), 10)
    assert len(await house.leaves(stream="c")) == 3
    await house.check_streams()


async def test_every_committed_leaf_waits_in_the_queue_and_no_other(house: House) -> None:
    await house.log_round()
    assert await count(house, PendingLeaf) == 0
    await beat(house, "a", "b")
    with pytest.raises(RuntimeError):
        await house.act(failing(RuntimeError))
    assert await count(house, PendingLeaf) == 2


def test_actors_are_named_by_kind_and_pseudonym_only() -> None:
    one = new_id(START)
    assert audit_name(Staff(one, one, Role.AGENT, "Anna", "A.")) == {"k": "agent", "id": str(one), "role": "agent"}
    program = Staff(one, one, Role.MACHINE, "CRM", "B.")
    assert audit_name(program) == {"k": "client", "id": str(one), "role": "machine"}
    assert audit_name(Customer(one, one, one, 3, START)) == {"k": "customer", "id": str(one)}
    assert audit_name(Visitor(one)) == {"k": "visitor", "id": str(one)}
    assert audit_name(Operator("root")) == {"k": "operator", "id": "root"}
    assert audit_name(SYSTEM) == {"k": "system", "id": "riserbo"}


def test_no_event_has_a_field_that_would_name_a_person() -> None:
    personal = {"name", "handle", "phone", "email", "ip", "iban", "body", "identifier", "customer_number", "code"}
    assert [event for event, fields in EVENTS.items() if personal & set(fields)] == []


def test_every_event_of_the_closed_list_is_raised_somewhere_and_no_other() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in python_files("app") if path.name != "events.py")
    assert [event for event in EVENTS if f'"{event}"' not in sources] == []
