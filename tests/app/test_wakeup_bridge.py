"""Wake-ups between processes: each topic wakes the others, nobody hears himself, a cut connection comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app import wakeup_bridge
from app.wakeup_bridge import LARGEST, Bridge, bridge_for, payloads
from app.wakeups import Wakeups
from tests.support.postgres import PostgresServer

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'riserbo wake-ups'"


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.new_database())


@asynccontextmanager
async def joined(url: str) -> AsyncIterator[Wakeups]:
    """One process's wake-ups with its bridge."""
    engine, wakeups = create_async_engine(url), Wakeups()
    bridge = bridge_for(engine, wakeups, lambda: datetime.now(UTC))
    assert bridge is not None
    bridge.start()
    try:
        yield wakeups
    finally:
        await bridge.stop()
        await engine.dispose()


async def heard(here: Wakeups, there: Wakeups, topic: str, seconds: float = 30) -> None:
    """Until `there` wakes for what `here` notifies: the first ones may be lost while the connections come up."""
    async with asyncio.timeout(seconds), there.listen(topic) as woken:
        while not woken.is_set():
            here.notify(topic)
            await there.wait(woken, 0.2)


async def test_what_one_process_notifies_wakes_the_others(url: str) -> None:
    async with joined(url) as one, joined(url) as two, joined(url) as three:
        for here, there in ((one, two), (two, one), (one, three)):
            await heard(here, there, "room:1")


async def test_a_batch_of_thousands_of_topics_arrives_whole(url: str) -> None:
    async with joined(url) as one, joined(url) as two:
        await heard(one, two, "first")
        wanted = {f"room:{number:032d}" for number in range(3000)}
        missing = set(wanted)
        done = asyncio.Event()

        def took(topic: str) -> None:
            missing.discard(topic)
            if not missing:
                done.set()

        two.follow(took)
        for topic in wanted:
            one.notify(topic)
        async with asyncio.timeout(15):
            await done.wait()


async def test_a_topic_that_came_from_outside_is_not_sent_on(url: str) -> None:
    async with joined(url) as one, joined(url) as two:
        await heard(one, two, "first")
        echoes: list[str] = []
        one.follow(echoes.append)
        one.notify("room:1")
        await heard(one, two, "last")
        await asyncio.sleep(0.2)
        assert echoes.count("room:1") == 1


async def test_cut_connections_come_back(url: str, postgres_server: PostgresServer) -> None:
    async with joined(url) as one, joined(url) as two:
        await heard(one, two, "first")
        with psycopg.connect(postgres_server.conninfo(), autocommit=True) as connection:
            assert len(connection.execute(CUT).fetchall()) >= 4
        await heard(one, two, "again")
        await heard(two, one, "back")


async def test_a_process_alone_tells_nobody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup_bridge, "OTHERS_FOR", 0.0)
    engine, wakeups = create_async_engine(url), Wakeups()
    bridge = Bridge(wakeups, engine, lambda: datetime.now(UTC))
    bridge.start()
    try:
        wakeups.notify("room:1")
        assert bridge._outgoing == {}
    finally:
        await bridge.stop()
        await engine.dispose()


async def test_sqlite_has_no_bridge() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    assert bridge_for(engine, Wakeups(), lambda: datetime.now(UTC)) is None
    await engine.dispose()


def test_payloads_stay_below_what_postgresql_takes_and_lose_nothing() -> None:
    topics = [f"room:{number:032d}:customer" for number in range(1000)]
    found = payloads("origin", topics)
    assert all(len(one.encode()) <= LARGEST for one in found)
    assert [topic for one in found for topic in one.split()[1:]] == topics
    assert all(one.split()[0] == "origin" for one in found)
    assert payloads("origin", []) == ["origin"]
