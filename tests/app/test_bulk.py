"""Rows as one parameter: what goes in as JSON comes out as a table, on both databases."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Integer, Text, Uuid, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.types import TypeEngine

from app.bulk import among_rows, as_parameter, listed_rows, wanted
from app.conversations.models import Message
from app.database import dialect_of, reading
from tests.support.house import House


async def test_rows_in_one_parameter_come_back_as_a_table(house: House) -> None:
    one, other = uuid4(), uuid4()
    columns: dict[str, TypeEngine[Any]] = {"id": Uuid(), "only": Uuid(), "n": Integer(), "side": Text()}
    rows: list[dict[str, object]] = [
        {"id": one, "only": other, "n": 3, "side": 'perché "no"'},
        {"id": other, "only": None, "n": None, "side": ""},
    ]
    async with reading(house.services) as db:
        table = wanted(dialect_of(db), "asked", columns)
        found = await db.execute(select(*table.c), {"asked": as_parameter(rows)})
        assert {tuple(row) for row in found} == {tuple(row.values()) for row in rows}
        none = await db.execute(select(*table.c), {"asked": as_parameter([])})
        assert none.all() == []


def test_combinations_are_one_parameter_to_postgresql_however_many_they_are() -> None:
    statement = select(Message.id).where(among_rows("postgresql", 1, Message.conversation_id, Message.client_key))
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    assert list(compiled.params) == ["among"]


async def test_rows_of_any_number_are_found_again(house: House) -> None:
    rooms = [await house.room() for _ in range(3)]
    told = [(room.id, (await house.say(room, f"text {n}")).message_id) for room in rooms for n in range(2)]
    async with reading(house.services) as db:
        for count in range(1, len(told) + 1):
            size, asked = listed_rows(dialect_of(db), told[:count])
            statement = select(Message.id).where(among_rows(dialect_of(db), size, Message.conversation_id, Message.id))
            assert set((await db.execute(statement, asked)).scalars()) == {message for _, message in told[:count]}


def test_sqlite_has_one_statement_for_many_sizes() -> None:
    assert {listed_rows("sqlite", [(n, n) for n in range(count)])[0] for count in range(5, 9)} == {8}
