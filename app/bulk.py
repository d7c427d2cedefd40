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
    and_,
    any_,
    bindparam,
    column,
    func,
    insert,
    or_,
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


def among(dialect: str, one: Any) -> ColumnElement[bool]:
    """That the column has one of the values that `listed` makes a parameter."""
    if dialect != "postgresql":
        values: BindParameter[Any] = bindparam("among", expanding=True)
        return cast("ColumnElement[bool]", one.in_(values))
    return cast("ColumnElement[bool]", one == any_(bindparam("among", type_=ARRAY(one.type))))


def listed(values: Collection[Any]) -> dict[str, Any]:
    """The parameter of `among`."""
    return {"among": list(values)}


def among_rows(dialect: str, size: int, *columns: Any) -> ColumnElement[bool]:
    """That the columns have one of the combinations that `listed_rows` makes parameters; `size` as it says.

    SQLite reads the whole table for `(a, b) IN (VALUES …)` with more than one row; with OR it uses the index for each.
    """
    if dialect == "postgresql":
        names = {f"c{place}": column.type for place, column in enumerate(columns)}
        return tuple_(*columns).in_(select(*wanted(dialect, "among", names).c))
    rows = (
        and_(*(one == bindparam(f"among_{row}_{place}", type_=one.type) for place, one in enumerate(columns)))
        for row in range(size)
    )
    return or_(*rows)


def listed_rows(dialect: str, rows: Sequence[Sequence[Any]]) -> tuple[int, dict[str, Any]]:
    """The size of the statement for so many rows, which few numbers share, and its parameters."""
    if dialect == "postgresql":
        return 1, {"among": as_parameter([{f"c{place}": value for place, value in enumerate(row)} for row in rows])}
    size = 1 << (len(rows) - 1).bit_length()
    padded = [*rows, *[rows[-1]] * (size - len(rows))]
    return size, {f"among_{n}_{place}": value for n, row in enumerate(padded) for place, value in enumerate(row)}


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
