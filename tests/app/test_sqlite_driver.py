"""The SQLite driver: one turn of its thread for a statement, and every row of a result that is longer than that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import create_engines
from app.sqlite_driver import AT_ONCE, QuickConnection, connect

COUNTED = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :last) SELECT n FROM c"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    write, read = create_engines(f"sqlite+aiosqlite:///{tmp_path / 'main.db'}")
    yield write
    await write.dispose()
    await read.dispose()


@pytest.mark.parametrize("last", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 7])
async def test_every_row_of_a_result_comes_in_order_whole_or_piece_by_piece(engine: AsyncEngine, last: int) -> None:
    wanted = list(range(1, last + 1)) or [1]
    async with engine.connect() as connection:
        assert list((await connection.execute(text(COUNTED), {"last": last})).scalars()) == wanted
        async with connection.stream(text(COUNTED), {"last": last}) as rows:
            assert [row.n async for row in rows] == wanted


async def test_a_stream_that_is_left_early_keeps_nothing_locked(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
        async with connection.stream(text(COUNTED), {"last": 5 * AT_ONCE}) as rows:
            assert (await anext(aiter(rows))).n == 1
        await connection.execute(text("DROP TABLE t"))


async def test_a_statement_takes_one_turn_of_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []
    real = QuickConnection.turn

    async def counted(self: QuickConnection, *call: Any) -> Any:
        turns.append(call)
        return await real(self, *call)

    async with connect(str(tmp_path / "own.db")) as connection:
        monkeypatch.setattr(QuickConnection, "turn", counted)
        cursor = connection.cursor()
        await cursor.execute("SELECT ? UNION SELECT 2", (1,))
        assert list(await cursor.fetchall()) == [(1,), (2,)]
        assert await cursor.fetchone() is None
        await cursor.close()
        assert len(turns) == 1


async def test_what_a_statement_did_is_told(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
        many = await connection.execute(text("INSERT INTO t VALUES (:n)"), [{"n": n} for n in range(5)])
        changed = await connection.execute(text("UPDATE t SET n = n + 10 WHERE n < 3"))
        assert (many.rowcount, changed.rowcount) == (5, 3)
        with pytest.raises(OperationalError):
            await connection.execute(text("SELECT nothing FROM nowhere"))
