"""The transaction rule, and what the databases themselves refuse."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.actors import SYSTEM
from app.agents.models import StaffAccount
from app.audit.models import Leaf, SequencedLeaf, SignedCheckpoint
from app.audit.service import record
from app.cases.models import Case, Post
from app.channels.models import ChannelCursor
from app.conversations.models import Conversation, Message
from app.database import after_commit, before_commit, dispose, reading, transaction
from app.errors import Conflict, RiserboError, Unavailable
from app.http.dependencies import Db
from app.http.problems import install_problem_handlers
from app.ids import new_id
from app.notifications.service import claim, enqueue
from tests.support.house import ON_POSTGRESQL, ON_SQLITE, START, House

AUDITED = [StaffAccount, Case, Post, Conversation, Message]


def cursor(name: str, value: str = "1", at: datetime = START) -> ChannelCursor:
    return ChannelCursor(connector=name, cursor=value, polled_at=at)


async def names(house: House) -> list[str]:
    return sorted(row.connector for row in await house.all(ChannelCursor))


async def answers(house: House, act: Callable[[AsyncSession], Awaitable[None]]) -> int:
    app = FastAPI()
    app.state.services = house.services
    install_problem_handlers(app)

    @app.post("/")
    async def route(db: Db) -> dict[str, str]:
        await act(db)
        return {"said": "stored"}

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bank.example") as client:
        return (await client.post("/")).status_code


async def test_a_success_is_answered_after_the_commit_only(house: House) -> None:
    async def store(db: AsyncSession) -> None:
        db.add(cursor("a"))

    assert await answers(house, store) == 200
    assert await names(house) == ["a"]


async def test_a_commit_that_fails_is_no_success_and_stores_nothing(house: House) -> None:
    """The deferred foreign key to the leaf breaks at the commit itself, after the route has returned."""
    before = len(await house.all(Case))

    async def store(db: AsyncSession) -> None:
        db.add(cursor("a"))
        known = (await db.execute(select(StaffAccount))).scalars().first()
        assert known is not None
        known.leaf_id, known.display_name = new_id(START), "Nobody"

    assert await answers(house, store) == 500
    assert await names(house) == []
    assert len(await house.all(Case)) == before
    assert "Nobody" not in [one.display_name for one in await house.all(StaffAccount)]


async def test_a_failing_hook_before_the_commit_stores_nothing(house: House) -> None:
    async def fail(_db: AsyncSession) -> None:
        raise RuntimeError

    async def store(db: AsyncSession) -> None:
        db.add(cursor("a"))
        before_commit(db, fail)

    assert await answers(house, store) == 500
    assert await names(house) == []


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_refusal_keeps_its_changes_only_if_it_says_so(house: House, keeps: bool) -> None:
    class Refusal(Conflict):
        keeps_changes = keeps

    async def refuse(db: AsyncSession) -> None:
        db.add(cursor("counted"))
        raise Refusal

    assert await answers(house, refuse) == 409
    assert await names(house) == (["counted"] if keeps else [])


async def test_hooks_run_once_in_order_around_the_commit_and_never_after_a_rollback(house: House) -> None:
    seen: list[str] = []

    async def first(_db: AsyncSession) -> None:
        seen.append("before")

    async with transaction(house.services) as db:
        after_commit(db, lambda: seen.append("after"))
        for _ in range(3):
            before_commit(db, first)
        db.add(cursor("a"))
        seen.append("act")
    assert seen == ["act", "before", "after"]

    async def fail(db: AsyncSession) -> None:
        after_commit(db, lambda: seen.append("never"))
        raise RiserboError

    with pytest.raises(RiserboError):
        await house.act(fail)
    assert seen == ["act", "before", "after"]


async def test_a_cancelled_request_stores_nothing(house: House) -> None:
    begun = asyncio.Event()

    async def store(db: AsyncSession) -> None:
        db.add(cursor("a"))
        await db.flush()
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(house.act(store))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(house) == []


@ON_SQLITE
async def test_an_act_cancelled_anywhere_gives_the_writing_lock_back(house: House) -> None:
    """Closed in the middle of a statement, SQLite's connection stayed, with its lock, until the collector came by."""
    gc.disable()
    try:
        for turns in range(0, 160, 2):
            for _ in range(2):
                await house.act(lambda db: enqueue(db, "topic", {}))
            acts = [asyncio.create_task(claim(house.services, 1)) for _ in range(2)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for act in acts:
                act.cancel()
            await asyncio.gather(*acts, return_exceptions=True)
            await asyncio.wait_for(house.act(lambda db: db.execute(text("SELECT 1"))), 5)
    finally:
        gc.enable()


async def filled(house: House) -> None:
    room = await house.room()
    await house.say(room, "Buongiorno")


@pytest.mark.parametrize("model", AUDITED, ids=lambda model: model.__tablename__)
async def test_an_audited_row_cannot_change_without_a_new_leaf_nor_go(house: House, model: Any) -> None:
    await filled(house)
    column = next(iter(set(model.__table__.columns.keys()) & {"signature", "version", "kind", "last_n", "sender"}))
    kept = await house.all(model)
    for statement in (update(model).values({column: getattr(kept[0], column)}), delete(model)):
        with pytest.raises(DBAPIError, match=r"new leaf|never deleted"):
            await house.act(lambda db, statement=statement: db.execute(statement))
    assert len(await house.all(model)) == len(kept)


async def test_an_audited_row_must_name_a_leaf_that_is_there_at_the_commit(house: House) -> None:
    await filled(house)
    known = (await house.all(Message))[0]
    columns = [column.key for column in Message.__table__.columns]
    values = {column: getattr(known, column) for column in columns}
    values |= {"id": new_id(START), "n": 999, "client_key": b"k", "leaf_id": new_id(START)}
    with pytest.raises(IntegrityError):
        await house.act(lambda db: db.execute(insert(Message).values(values)))
    assert len(await house.all(Message)) == 1


async def test_two_rows_cannot_share_a_leaf(house: House) -> None:
    await filled(house)
    first, second = (await house.all(StaffAccount))[:2]
    with pytest.raises(IntegrityError):
        await house.act(
            lambda db: db.execute(
                update(StaffAccount).where(StaffAccount.id == first.id).values(leaf_id=second.leaf_id)
            )
        )


@pytest.mark.parametrize("model", [Leaf, SequencedLeaf, SignedCheckpoint], ids=lambda model: model.__tablename__)
async def test_the_log_is_append_only(house: House, model: Any) -> None:
    await house.log_round()
    kept = len(await house.all(model))
    column = {"audit_leaves": "stream", "audit_sequence": "leaf_hash", "audit_checkpoints": "note"}
    name = column[model.__tablename__]
    for statement in (update(model).values({name: model.__table__.c[name]}), delete(model)):
        with pytest.raises(DBAPIError, match="append-only"):
            await house.act(lambda db, statement=statement: db.execute(statement))
    assert len(await house.all(model)) == kept > 0


@ON_POSTGRESQL
@pytest.mark.parametrize("table", ["audit_leaves", "messages", "cases"])
async def test_truncate_is_refused(house: House, table: str) -> None:
    await filled(house)
    with pytest.raises(DBAPIError, match=r"append-only|never deleted"):
        await house.act(lambda db: db.execute(text(f"TRUNCATE {table} CASCADE")))


async def test_the_reading_engine_refuses_every_write(house: House) -> None:
    async def write() -> None:
        async with reading(house.services) as db:
            await db.execute(update(StaffAccount).values(signature="x"))
            await db.commit()

    with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
        await write()
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
        async with house.services.read_engine.begin() as connection:
            await connection.execute(text("CREATE TABLE other (id INTEGER)"))


async def test_a_naive_datetime_is_refused_and_others_come_back_in_utc(house: House) -> None:
    with pytest.raises(StatementError, match="naive"):
        await house.act(
            lambda db: db.execute(
                insert(ChannelCursor).values(connector="n", cursor="1", polled_at=START.replace(tzinfo=None))
            )
        )
    rome = datetime(2026, 11, 21, 20, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    async with transaction(house.services) as db:
        db.add(cursor("rome", at=rome))
        db.add(cursor("none", at=START - timedelta(days=1)))
    found = {row.connector: row.polled_at for row in await house.all(ChannelCursor)}
    assert found["rome"] == rome
    assert found["rome"].tzinfo is UTC
    async with reading(house.services) as db:
        later = await db.execute(select(ChannelCursor.connector).where(ChannelCursor.polled_at >= START))
        assert list(later.scalars()) == ["rome"]


@ON_SQLITE
async def test_sqlite_runs_with_nothing_less_than_wal_full_and_foreign_keys(house: House) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "trusted_schema": 0}
    for engine, read_only in ((house.services.write_engine, 0), (house.services.read_engine, 1), (house.key_engine, 0)):
        async with engine.connect() as connection:
            for pragma, value in {**wanted, "query_only": read_only}.items():
                assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() == value, pragma


@ON_SQLITE
async def test_sqlite_tables_are_strict(house: House) -> None:
    with pytest.raises((OperationalError, IntegrityError), match="INTEGER"):
        await house.act(
            lambda db: db.execute(text("INSERT INTO rates (key_hash, arrival) VALUES (x'00', 'not a number')"))
        )


@ON_SQLITE
async def test_who_finds_no_free_connection_is_told_to_come_back(house: House) -> None:
    pool: Any = house.services.write_engine.pool
    pool._timeout = 0.1
    async with transaction(house.services):
        with pytest.raises(Unavailable) as refused:
            await house.act(lambda db: db.execute(text("SELECT 1")))
    assert refused.value.retry_after is not None


async def test_a_refusal_after_a_record_is_no_half_act(house: House) -> None:
    async def half(db: AsyncSession) -> None:
        db.add(cursor("half"))
        record(db, "log.heartbeat", stream="s", actor=SYSTEM, data={"size": 1})
        raise Conflict

    with pytest.raises(Conflict):
        await house.act(half)
    assert await names(house) == []
    assert await house.leaves(stream="s") == []


async def test_the_end_waits_for_a_connection_that_is_just_coming_back(house: House) -> None:
    engine = create_async_engine(house.services.read_engine.url, pool_size=1)
    connection = await engine.connect()
    await connection.execute(text("SELECT 1"))
    ending = asyncio.create_task(dispose(engine))
    await asyncio.sleep(0.05)
    assert not ending.done()
    await connection.close()
    await asyncio.wait_for(ending, 5)
