"""What is done for each message, each page and every few seconds reads no whole table: the store grows for years.

On SQLite, which tells its plan without figures about its rows. A million messages once made each message cost twelve
times what it did among a thousand: three statements read all of them.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.audit.sequencer import sequence
from app.binding import sweeping as binding_sweeps
from app.conversations import committing, posting
from app.conversations import sweeping as room_sweeps
from app.conversations.models import Conversation
from app.conversations.queries import Window, has_older, held_answers
from app.conversations.reading import read_as_customer, read_as_staff
from app.conversations.routes import room_out
from app.database import reading
from tests.support.house import House

GROWS = ("messages", "room_events", "audit_leaves", "audit_sequence", "sessions", "attempts", "bindings", "proofs")
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


class Plans:
    """Statements that were carried out, and how the database goes about each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._asked: list[tuple[str, Any]] = []

    def note(self, _connection: Any, _cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        """Listens to the engine."""
        if not rest[-1] and statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            self._asked.append((statement, values))

    def whole_tables(self) -> dict[str, str]:
        """Which growing table, or all of a room in it, was read from end to end, and by which statement."""
        found = {}
        with closing(sqlite3.connect(self._path)) as connection:
            for statement, values in self._asked:
                steps = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
                # in the order of the index it ends at the limit
                ends = "LIMIT" in statement and not any("TEMP B-TREE" in step for step in steps)
                for step in steps:
                    table = re.match(rf"SCAN ({'|'.join(GROWS)})\b(?! USING INDEX ix_sessions_open)", step)
                    room = re.match(r"SEARCH (messages|room_events) USING .*\(conversation_id=\?\)$", step)
                    if all_of := table or (None if ends else room):
                        found[all_of[1]] = statement
        return found

    def __len__(self) -> int:
        return len(self._asked)


@contextmanager
def plans(house: House) -> Iterator[Plans]:
    """The plans of what the block asks."""
    noted = Plans(house.urls.main.partition("///")[2])
    event.listen(Engine, "before_cursor_execute", noted.note)
    try:
        yield noted
    finally:
        event.remove(Engine, "before_cursor_execute", noted.note)


async def test_a_group_of_messages_reads_no_whole_table(house: House) -> None:
    rooms = [await house.room() for _ in range(3)]
    commands = [
        await posting._prepare(house.services, cast("Any", room.customer), room.id, "Buongiorno", (f"key {n}", None))
        for n in range(2)
        for room in rooms
    ]
    with plans(house) as noted:
        await committing.commit_group(house.services, commands)
        await sequence(house.services)
    assert len(noted) >= 8
    assert noted.whole_tables() == {}


async def test_what_time_does_reads_no_whole_table(house: House) -> None:
    room = await house.room()
    await house.answer(room, "Buongiorno, la commissione è stata stornata.")
    sweeps = [
        room_sweeps.expire,
        room_sweeps.unread_answers,
        binding_sweeps.expire_attempts,
        binding_sweeps.expire_bindings,
        binding_sweeps.lock_idle_sessions,
    ]
    with plans(house) as noted:
        for sweep in sweeps:
            await sweep(house.services)
    assert len(noted) >= len(sweeps)
    assert noted.whole_tables() == {}


async def test_a_page_of_a_room_reads_no_whole_table(house: House) -> None:
    room = await house.room()
    await asyncio.gather(*(house.say(room, f"Buongiorno {number}") for number in range(4)))
    with plans(house) as noted:
        await read_as_staff(house.services, house.anna, room.id, Window(limit=2))
        await read_as_customer(house.services, room.customer, Window(limit=2))
        async with reading(house.services) as db:
            conversation = await db.get_one(Conversation, room.id)
            await held_answers(db, conversation)
            await has_older(db, room.customer)
            await room_out(db, conversation)
    assert len(noted) >= 4
    assert noted.whole_tables() == {}


async def test_the_look_at_plans_sees_a_whole_table(house: House) -> None:
    with plans(house) as noted:
        async with reading(house.services) as db:
            await db.connection()
            await (await db.connection()).exec_driver_sql("SELECT id FROM messages WHERE sealed_text = ?", (b"",))
    assert list(noted.whole_tables()) == ["messages"]
