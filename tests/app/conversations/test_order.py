"""The order of a room's history is asked for, and no accident of how a database stores its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import queries
from app.conversations.models import Conversation
from app.conversations.queries import Window
from app.database import reading
from tests.support.house import House, Room

MESSAGES = 12


@asynccontextmanager
async def unordered(house: House) -> AsyncIterator[None]:
    """Reads whose rows come as badly as the database allows, wherever no order was asked for."""
    engine = house.services.read_engine
    on_sqlite = engine.dialect.name == "sqlite"

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA reverse_unordered_selects=ON")

    if on_sqlite:
        event.listen(engine.sync_engine, "connect", prepare)
    else:
        await _reverse_the_heap(house)
    await engine.dispose()
    try:
        yield
    finally:
        if on_sqlite:
            event.remove(engine.sync_engine, "connect", prepare)
        await engine.dispose()


async def _reverse_the_heap(house: House) -> None:
    """Rows lie in the order of their writing, last first now; without its indexes PostgreSQL reads them as they lie."""
    async with house.services.write_engine.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE kept AS SELECT * FROM room_events"))
        await connection.execute(text("DELETE FROM room_events"))
        await connection.execute(text("INSERT INTO room_events SELECT * FROM kept ORDER BY n DESC"))
        await connection.execute(text("DROP TABLE kept"))


async def without_indexes(db: AsyncSession) -> None:
    if db.get_bind().dialect.name == "postgresql":
        for setting in ("enable_indexscan", "enable_indexonlyscan", "enable_sort"):
            await db.execute(text(f"SET LOCAL {setting} = off"))


@pytest.fixture
async def room(house: House) -> Room:
    made = await house.room()
    for number in range(MESSAGES):
        await house.say(made, str(number))
    return made


WINDOWS = [
    (Window(after=0, limit=5), [1, 2, 3, 4, 5]),
    (Window(after=5, limit=5), [6, 7, 8, 9, 10]),
    (Window(after=0, limit=200), list(range(1, MESSAGES + 2))),
    (Window(limit=4), [10, 11, 12, 13]),
    (Window(before=10, limit=4), [6, 7, 8, 9]),
]


@pytest.mark.parametrize("reader", ["customer", "staff"])
async def test_every_window_of_a_room_is_cut_and_shown_in_order(house: House, room: Room, reader: str) -> None:
    async with unordered(house):
        found: Conversation = await house.one(Conversation, room.id)
        for window, numbers in WINDOWS:
            async with reading(house.services) as db:
                await without_indexes(db)
                if reader == "customer":
                    entries = await queries.entries_for_customer(db, room.customer, window)
                else:
                    entries = await queries.entries_for_staff(db, found, window)
            assert [entry.n for entry in entries] == numbers, window
