"""aiosqlite with one turn of the connection's thread for a statement.

As it comes it takes four: to make a cursor, to execute, to fetch, to close. A turn wakes two threads one after the
other and costs more than most statements do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

import aiosqlite

T = TypeVar("T")

AT_ONCE: Final = 1000
"""Rows that come with the statement's own turn. Of a longer result the rest stays with the database until wanted."""


class QuickConnection(aiosqlite.Connection):
    """A connection whose cursors are `QuickCursor`s."""

    def cursor(self) -> Any:
        """A cursor, without asking the thread for it."""
        return QuickCursor(self)

    async def turn(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` gives, done in the connection's thread."""
        done: T = await self._execute(work, *arguments)  # type: ignore[no-untyped-call]
        return done


class QuickCursor:
    """What SQLAlchemy asks of an asyncio driver's cursor."""

    arraysize = 1

    def __init__(self, connection: QuickConnection) -> None:
        self._connection = connection
        self._open: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> QuickCursor:
        """Itself."""
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> QuickCursor:
        """Run the statement and take the first of its rows."""
        await self._connection.turn(self._begin, sqlite3.Cursor.execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Any) -> QuickCursor:
        """Run the statement for each set of parameters."""
        await self._connection.turn(self._begin, sqlite3.Cursor.executemany, statement, parameters)
        return self

    def _begin(self, run: Any, statement: str, parameters: Any) -> None:
        """In the connection's thread, as everything that touches its cursor."""
        cursor = self._connection._conn.cursor()
        run(cursor, statement, parameters)
        self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        self._rows = cursor.fetchmany(AT_ONCE) if cursor.description else []
        if len(self._rows) < AT_ONCE:
            cursor.close()
        else:
            self._open = cursor

    async def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""
        rows, self._rows = self._rows, []
        if self._open is not None:
            rows += await self._connection.turn(self._open.fetchall)
        return rows

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """The next `size` rows."""
        wanted = size or self.arraysize
        if not self._rows and self._open is not None:
            self._rows = await self._connection.turn(self._open.fetchmany, max(wanted, AT_ONCE))
        rows, self._rows = self._rows[:wanted], self._rows[wanted:]
        return rows

    async def fetchone(self) -> Any:
        """The next row, None behind the last."""
        return next(iter(await self.fetchmany(1)), None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The rows one by one."""
        while rows := await self.fetchmany(AT_ONCE):
            for row in rows:
                yield row

    async def close(self) -> None:
        """Let go of the rows that nobody wanted."""
        self._rows = []
        if self._open is not None:
            cursor, self._open = self._open, None
            await self._connection.turn(cursor.close)


def connect(database: str, **options: Any) -> QuickConnection:
    """A connection to be awaited; `options` as for `sqlite3.connect`."""
    connection = QuickConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=AT_ONCE)
    # It must not keep a process alive that ends without closing it.
    connection._thread.daemon = True
    return connection
