"""Many rows in one statement, whatever their number: written, looked for, or asked about.

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
    FromClause,
    Insert,
    Table,
    Text,
    TextClause,
    Update,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.types import TypeEngine

from app.database import Base, connection_of

Row = Mapping[str, Any]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


async def insert_many(db: AsyncSession, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns."""
    connection, table = await connection_of(db), _table(model)
    if _on_postgresql(connection):
        await connection.execute(_insertion(table, tuple(rows[0])), {"rows": as_parameter(rows)})
    else:
        await connection.execute(_insertion_of_one(table), rows)


async def update_many(db: AsyncSession, model: type[Base], key: str, rows: Sequence[Row]) -> None:
    """Set each row's other columns where `key` has its value."""
    connection, table = await connection_of(db), _table(model)
    if _on_postgresql(connection):
        await connection.execute(_change(table, key, tuple(rows[0])), {"rows": as_parameter(rows)})
        return
    changes = [{"of" if name == key else name: row[name] for name in row} for row in rows]
    await connection.execute(_change_of_one(table, key, tuple(rows[0])), changes)


def among(dialect: str, *columns: Any) -> ColumnElement[bool]:
    """That the columns have one of the values, or of the combinations of values, that `listed` makes a parameter."""
    if dialect != "postgresql":
        values: BindParameter[Any] = bindparam("among", expanding=True)
        return cast("ColumnElement[bool]", (columns[0] if len(columns) == 1 else tuple_(*columns)).in_(values))
    if len(columns) == 1:
        return cast("ColumnElement[bool]", columns[0] == any_(bindparam("among", type_=ARRAY(columns[0].type))))
    names = {f"c{place}": column.type for place, column in enumerate(columns)}
    return tuple_(*columns).in_(select(*wanted(dialect, "among", names).c))


def listed(dialect: str, rows: Collection[Any]) -> dict[str, Any]:
    """The parameter of `among`: values, or tuples of values."""
    first = next(iter(rows))
    if dialect == "postgresql" and isinstance(first, tuple):
        return {"among": as_parameter([{f"c{place}": value for place, value in enumerate(row)} for row in rows])}
    return {"among": list(rows)}


def wanted(dialect: str, parameter: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """The table of rows that `as_parameter` makes one parameter; ids, numbers and text, which both databases take."""
    name = f"wanted_{parameter}"
    if dialect == "postgresql":
        source = f"SELECT {', '.join(map(_quoted, columns))} FROM {_source(parameter, columns)}"  # noqa: S608 (our own names)
        return text(source).columns(*(column(key, kind) for key, kind in columns.items())).subquery(name)
    row = func.json_each(bindparam(parameter, type_=Text())).table_valued("value")
    return (
        select(*(func.json_extract(row.c.value, f"$.{key}", type_=kind).label(key) for key, kind in columns.items()))
        .cte(name)
        .prefix_with("MATERIALIZED")
    )


def as_parameter(rows: Sequence[Row]) -> str:
    """The rows as the value of one parameter."""
    return json.dumps(rows, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _table(model: type[Base]) -> Table:
    return cast("Table", model.__table__)


def _on_postgresql(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"


def _quoted(name: str) -> str:
    return str(_DIALECT.identifier_preparer.quote(name))


def _source(parameter: str, columns: Mapping[str, TypeEngine[Any]]) -> str:
    """PostgreSQL's table of the rows in this parameter."""
    kinds = ", ".join(f"{_quoted(name)} {kind.compile(dialect=_DIALECT)}" for name, kind in columns.items())
    return f"json_to_recordset(CAST(:{parameter} AS json)) AS x({kinds})"


@lru_cache(maxsize=64)
def _insertion(table: Table, names: tuple[str, ...]) -> TextClause:
    columns, source = ", ".join(names), _source("rows", _types(table, names))
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608 (our own names)


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
    source = _source("rows", _types(table, names))
    return text(f"UPDATE {table.name} SET {values} FROM {source} WHERE {table.name}.{key} = x.{key}")  # noqa: S608 (our own names)


def _types(table: Table, names: Sequence[str]) -> dict[str, TypeEngine[Any]]:
    return {name: table.c[name].type for name in names}


def _plain(value: object) -> str:
    """Text for what JSON has no form for: ids as both databases read them, bytes and times as PostgreSQL does."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
