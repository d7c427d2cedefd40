"""A disk that is really full: new messages are refused at once, reading goes on, and room again is enough."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psycopg
import pytest

from app.bench.ground import Ground, prepare
from app.free_space import LEAST_FREE
from tests.faults.served import Bank, bank, fill
from tests.support.postgres import DurablePostgres, crashing_postgres
from tests.support.soak import chance, keep_figures
from tests.support.wire_client import Answer

ROOM_AGAIN_WITHIN = 5.0
NO_LEAF = "/api/v1/staff/me"
"""A read that writes nothing; a room or the queue is not shown without its leaf."""
REFUSED_WITHIN = 1.0
LOADED = 5.0
"""What a machine with something else to do may take for the same."""
TRIES = 6
LONG = "Vorrei capire meglio questo addebito. " * 100


async def refusals(it: Bank, label: str, statuses: tuple[int, ...]) -> list[float]:
    """Messages that are refused as a problem with Retry-After; the seconds of each."""
    taken = []
    for number in range(TRIES):
        answer, seconds = await it.post(f"pieno {label} {number}", f"full-{label}-{number}")
        assert answer.status in statuses, answer.body
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"].isdigit()
        taken.append(seconds)
    return taken


async def settled(it: Bank, label: str) -> None:
    """The same messages with the same keys: stored now, once."""
    for number in range(TRIES):
        answer, _ = await it.post(f"pieno {label} {number}", f"full-{label}-{number}")
        assert answer.status == 201, answer.body


async def read(it: Bank) -> Answer:
    """The room's page of an agent: it writes a leaf before it shows anything."""
    answer, _ = await it.ask(f"/api/v1/conversations/{it.ground.rooms[0].conversation_id}/messages")
    return answer


async def test_a_full_disk_under_sqlite_refuses_messages_and_keeps_reading(
    ground: Ground, small_disk: Path, outside: Path
) -> None:
    """First the last room that the service keeps, then not a byte."""
    seed, source = chance("full disk, SQLite")
    async with bank(ground, small_disk / "house", outside, source) as it:
        it.crowd.start()
        await it.until(lambda: it.crowd.acknowledged >= 20)
        filler = small_disk / "filler"
        await asyncio.to_thread(fill, filler, leave=LEAST_FREE - (4 << 20))
        await asyncio.sleep(0.5)
        kept = await refusals(it, "kept", (507,))
        assert (await read(it)).status == 200
        await asyncio.to_thread(fill, filler, leave=0)
        brim = await refusals(it, "brim", (503, 507))
        assert (await it.ask(NO_LEAF))[0].status == 200
        # no leaf, no reading: the evidence comes first
        assert (await read(it)).status == 503
        filler.unlink()
        resumed = await it.crowd.all_acknowledged_since(time.monotonic())
        for label in ("kept", "brim"):
            await settled(it, label)
        await it.judged()
        assert it.served.alive
        figures = {"resumed_after": round(resumed, 3), "refused_after": round(median([*kept, *brim]), 3)}
        keep_figures(
            "full-disk-sqlite", seed=seed, slowest_refusal=round(max(*kept, *brim), 3), **figures, **it.crowd.figures()
        )
        assert median([*kept, *brim]) < REFUSED_WITHIN
        assert max(*kept, *brim) < LOADED
        assert resumed < ROOM_AGAIN_WITHIN


@pytest.fixture
def postgres() -> Iterator[DurablePostgres]:
    """Its write-ahead log lies on the machine's own disk."""
    with crashing_postgres() as server:
        yield server


async def test_a_full_disk_under_postgresqls_tables_refuses_writes_and_keeps_reading(
    postgres: DurablePostgres, small_disk: Path, outside: Path, tmp_path: Path
) -> None:
    """The databases' files on the small disk, as a tablespace."""
    seed, source = chance("full disk, PostgreSQL's tables")
    place = small_disk / "tables"
    place.mkdir()
    if os.geteuid() == 0:
        shutil.chown(place, "nobody")
    with psycopg.connect(postgres.server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
    ground = await on_server(postgres, tmp_path / "prepared", tablespace="small")
    async with bank(ground, tmp_path / "house", outside, source) as it:
        it.crowd.start()
        await it.until(lambda: it.crowd.acknowledged >= 20)
        filler = small_disk / "filler"
        await asyncio.to_thread(fill, filler, leave=0)
        # what has free places in its pages is written still: until a table wants to grow
        grown, status = -1, 201
        async with asyncio.timeout(60):
            while status == 201:
                grown += 1
                answer, seconds = await it.post(f"{grown} " + LONG, f"grow-{grown}")
                status = answer.status
        assert status == 503, answer.body
        assert answer.headers["retry-after"].isdigit()
        assert (await it.ask(NO_LEAF))[0].status == 200
        filler.unlink()
        resumed = await it.crowd.all_acknowledged_since(time.monotonic())
        again, _ = await it.post(f"{grown} " + LONG, f"grow-{grown}")
        assert again.status == 201
        figures = {"refused_after": round(seconds, 3), "resumed_after": round(resumed, 3)}
        keep_figures("full-disk-postgresql", seed=seed, **figures, **it.crowd.figures())
        await it.judged()
        assert it.served.alive
        assert resumed < ROOM_AGAIN_WITHIN


async def on_server(postgres: DurablePostgres, folder: Path, *, tablespace: str | None = None) -> Ground:
    """An installation on two new databases."""
    names = postgres.server.new_database(), postgres.server.new_database()
    if tablespace:
        with psycopg.connect(postgres.server.conninfo(), autocommit=True) as connection:
            for name in names:
                connection.execute(f"ALTER DATABASE {name} SET TABLESPACE {tablespace}".encode())
    main, keys = map(postgres.server.url, names)
    return await prepare(folder, 3, database_url=main, key_database_url=keys)
