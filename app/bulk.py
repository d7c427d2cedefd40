"""Many rows in one statement, whatever their number.

PostgreSQL gets them as one JSON value: a parameter each would cost the driver more than the database needs for the row,
and a statement of another length for every group could not be prepared. SQLite's driver repeats a statement cheaply.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Table,
    TextClause,
    Update,
    any_,
    bindparam,
    insert,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.database import Base, connection_of

Row = Mapping[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


async def insert_many(db: AsyncSession, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns."""
    connection, table = await connection_of(db), _table(model)
    if _on_postgresql(connection):
        await connection.execute(_insertion(table, tuple(rows[0])), {"rows": _as_json(rows)})
    else:
        await connection.execute(_insertion_of_one(table), rows)


async def update_many(db: AsyncSession, model: type[Base], key: str, rows: Sequence[Row]) -> None:
    """Set each row's other columns where `key` has its value."""
    connection, table = await connection_of(db), _table(model)
    if _on_postgresql(connection):
        await connection.execute(_change(table, key, tuple(rows[0])), {"rows": _as_json(rows)})
        return
    changes = [{"of" if name == key else name: row[name] for name in row} for row in rows]
    await connection.execute(_change_of_one(table, key, tuple(rows[0])), changes)


def among(dialect: str, *columns: Any) -> ColumnElement[bool]:
    """That the columns have one of the values, or of the combinations of values, that `listed` makes a parameter."""
    if dialect != "postgresql":
        wanted: BindParameter[Any] = bindparam("among", expanding=True)
        return cast("ColumnElement[bool]", (columns[0] if len(columns) == 1 else tuple_(*columns)).in_(wanted))
    if len(columns) == 1:
        return cast("ColumnElement[bool]", columns[0] == any_(bindparam("among", type_=ARRAY(columns[0].type))))
    names = [f"c{place}" for place in range(len(columns))]
    kinds = ", ".join(f"{name} {_kind(column)}" for name, column in zip(names, columns, strict=True))
    source = f"SELECT {', '.join(names)} FROM json_to_recordset(CAST(:among AS json)) AS x({kinds})"  # noqa: S608 (our own names)
    return tuple_(*columns).in_(text(source))


def listed(dialect: str, rows: Collection[Any]) -> dict[str, Any]:
    """The parameter of `among`: values, or tuples of values."""
    first = next(iter(rows))
    if dialect == "postgresql" and isinstance(first, tuple):
        return {"among": _as_json([{f"c{place}": value for place, value in enumerate(row)} for row in rows])}
    return {"among": list(rows)}


def _table(model: type[Base]) -> Table:
    return cast("Table", model.__table__)


def _on_postgresql(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"


def _kind(column: Any) -> str:
    return str(column.type.compile(dialect=_DIALECT))


def _source(table: Table, names: Sequence[str]) -> str:
    kinds = ", ".join(f"{name} {_kind(table.c[name])}" for name in names)
    return f"json_to_recordset(CAST(:rows AS json)) AS x({kinds})"


@lru_cache(maxsize=64)
def _insertion(table: Table, names: tuple[str, ...]) -> TextClause:
    columns = ", ".join(names)
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {_source(table, names)}")  # noqa: S608 (our own names)


@lru_cache(maxsize=64)
def _insertion_of_one(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=64)
def _change_of_one(table: Table, key: str, names: tuple[str, ...]) -> Update:
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names if name != key}
    return update(table).where(table.c[key] == bindparam("of")).values(values)


@lru_cache(maxsize=64)
def _change(table: Table, key: str, names: tuple[str, ...]) -> TextClause:
    values = ", ".join(f"{name} = x.{name}" for name in names if name != key)
    return text(f"UPDATE {table.name} SET {values} FROM {_source(table, names)} WHERE {table.name}.{key} = x.{key}")  # noqa: S608 (our own names)


def _as_json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    """PostgreSQL's own text form of what JSON has no form for."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
