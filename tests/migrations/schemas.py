"""What a database's schema consists of, as comparable text; and rows for every table of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, event, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

import app.main  # noqa: F401 (every model)
from app.audit.models import Leaf
from app.database import Audited, Base

AUDITED = sorted(mapper.class_.__tablename__ for mapper in Base.registry.mappers if issubclass(mapper.class_, Audited))
APPEND_ONLY = ["audit_checkpoints", "audit_leaves", "audit_sequence"]
OWN = "alembic_version"
NOW = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)

_OF_POSTGRESQL = """
SELECT 'column', concat(c.relname, '.', a.attnum, ' ', a.attname),
    concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
UNION ALL SELECT 'constraint', concat(conrelid::regclass, '.', conname), pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', concat(t.tgrelid::regclass, '.', t.tgname), concat(t.tgenabled, ' ', pg_get_triggerdef(t.oid))
  FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'sequence', sequencename, concat(data_type, ' ', increment_by) FROM pg_sequences WHERE schemaname = 'public'
ORDER BY 1, 2
"""
_OF_SQLITE = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY 1, 2"


def engine_of(url: str) -> Engine:
    """A plain engine beside the application's own; SQLite with foreign keys on."""
    parsed = make_url(url)
    driver = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg"
    engine = create_engine(parsed.set(drivername=driver), poolclass=NullPool)
    if driver == "sqlite":

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA foreign_keys=ON")

    return engine


def schema_of(url: str) -> dict[str, str]:
    """Every object of the schema by kind and name, alembic's own table aside."""
    with engine_of(url).connect() as connection:
        statement = _OF_SQLITE if connection.dialect.name == "sqlite" else _OF_POSTGRESQL
        rows = connection.execute(text(statement)).all()
    return {f"{kind} {name}": " ".join(str(body).split()) for kind, name, body in rows if OWN not in name}


def tables_of(url: str) -> list[Table]:
    """The tables that are there now, as the database describes them, parents first."""
    there = MetaData()
    with engine_of(url).connect() as connection:
        there.reflect(connection)
    return [table for table in there.sorted_tables if table.name != OWN]


def contents_of(url: str, tables: list[Table]) -> str:
    """All rows of some tables, as one text."""
    with engine_of(url).connect() as connection:
        rows = {table.name: [repr(tuple(row)) for row in connection.execute(select(table))] for table in tables}
    return json.dumps({name: sorted(found) for name, found in rows.items()})


def fill(url: str, tables: list[Table]) -> None:
    """One row in each of the tables, referring to each other; rows that are there stay."""
    numbers = count(1)
    with engine_of(url).begin() as connection:
        for table in tables:
            if table.name == "audit_leaves":
                new_leaf(connection)
            elif connection.execute(select(table)).first() is None:
                row = {column.name: _value(connection, column, next(numbers)) for column in table.columns}
                connection.execute(insert(table).values(row))


def new_leaf(connection: Connection) -> UUID:
    """One more leaf, of its own stream; the queue gets it by a trigger."""
    identity = uuid4()
    values = {"id": identity, "stream": str(identity), "n": 1, "leaf": b"{}", "leaf_hash": bytes(32)}
    connection.execute(insert(Leaf).values(values))
    return identity


def _value(connection: Connection, column: Column[Any], number: int) -> Any:
    if column.name == "leaf_id":
        new_leaf(connection)
    if column.foreign_keys:
        parent = next(iter(column.foreign_keys)).column
        return connection.execute(select(parent).order_by(parent.table.c[0].desc())).scalars().first()
    kind = column.type.python_type
    values = {bytes: number.to_bytes(32, "big"), UUID: UUID(int=number), datetime: NOW, bool: True, int: number}
    return values.get(kind, f"text {number}")
