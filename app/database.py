"""Tables, engines and the transaction rule: one request, one transaction, committed before the answer.

Two databases serve: SQLite (WAL, FULL, one writing connection) and PostgreSQL 15 or newer. Audited rows point to the
leaf of their latest act; triggers refuse an UPDATE that keeps the leaf, and any DELETE (design, decision 6).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import (
    DDL,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
    Uuid,
    event,
    text,
    types,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool

from app import sqlite_driver
from app.errors import RiserboError, Unavailable
from app.postgres_link import FAR_END
from app.services import Services

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit whole number that SQLite may use as its row id."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; a naive datetime is refused rather than guessed at."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC on the way in; SQLite gets it without the offset, so that text order is time order."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """UTC on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite's STRICT tables know five type names; these are the one place that maps ours onto them.
_STRICT_NAMES: Final[dict[type[types.TypeEngine[Any]], str]] = {
    types.Uuid: "TEXT",
    types.DateTime: "TEXT",
    types.Boolean: "INTEGER",
    types.String: "TEXT",
    types.Text: "TEXT",
    types.LargeBinary: "BLOB",
    types.BigInteger: "INTEGER",
}


def _register_strict(kind: type[types.TypeEngine[Any]], name: str) -> None:
    @compiles(kind, "sqlite")
    def _compile(_element: Any, _compiler: Any, **_kw: Any) -> str:
        return name


for _kind, _name in _STRICT_NAMES.items():
    _register_strict(_kind, _name)


class Base(DeclarativeBase):
    """Base of every table of the main database."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        datetime: UtcDateTime(),
        UUID: Uuid(),
        bytes: types.LargeBinary(),
        str: types.Text(),
        int: BigInteger(),
    }
    __table_args__: Any = {"sqlite_strict": True}


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows that a condition names, the same on both databases."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class Audited:
    """A row that cannot change without a leaf: `leaf_id` names the leaf of its latest act."""

    leaf_id: Mapped[UUID] = mapped_column(
        ForeignKey("audit_leaves.id", deferrable=True, initially="DEFERRED"), unique=True
    )


def protect(model: type[Base]) -> None:
    """Attach the triggers of an audited table to its creation."""
    _attach(model.__table__, audited_triggers(model.__tablename__))  # type: ignore[arg-type]


def append_only(model: type[Base]) -> None:
    """Attach triggers that refuse every UPDATE and DELETE."""
    _attach(model.__table__, append_only_triggers(model.__tablename__))  # type: ignore[arg-type]


def _attach(table: Table, statements: dict[str, list[str]]) -> None:
    for dialect, ddl in statements.items():
        for statement in ddl:
            on_create(table, dialect, statement)


def on_create(table: Table, dialect: str, statement: str) -> None:
    """Run a statement right after `table` is created on `dialect`."""
    ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def audited_triggers(table: str) -> dict[str, list[str]]:
    """The trigger statements of an audited table, by dialect; migrations write the same text."""
    no_leaf = f"{table}: a change needs a new leaf"
    no_delete = f"{table}: rows are never deleted"
    return {
        "sqlite": [
            f"CREATE TRIGGER {table}_needs_leaf BEFORE UPDATE ON {table} WHEN NEW.leaf_id = OLD.leaf_id "
            f"BEGIN SELECT RAISE(ABORT, '{no_leaf}'); END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{no_delete}'); END",
        ],
        "postgresql": [
            *_refusing_function(f"{table}_needs_leaf", no_leaf),
            f"CREATE TRIGGER {table}_needs_leaf BEFORE UPDATE ON {table} FOR EACH ROW "
            f"WHEN (NEW.leaf_id = OLD.leaf_id) EXECUTE FUNCTION {table}_needs_leaf()",
            *_refusing_function(f"{table}_no_delete", no_delete),
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION {table}_no_delete()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {table}_no_delete()",
        ],
    }


def append_only_triggers(table: str) -> dict[str, list[str]]:
    """The trigger statements of an append-only table, by dialect."""
    message = f"{table} is append-only"
    return {
        "sqlite": [
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            for verb in ("update", "delete")
        ],
        "postgresql": [
            *_refusing_function(f"{table}_append_only", message),
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION {table}_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {table}_append_only()",
        ],
    }


def _refusing_function(name: str, message: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    ]


def create_engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """The writing and the reading engine for a database URL (`sqlite+aiosqlite://` or `postgresql+psycopg://`)."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, read_only=False), _sqlite_engine(url, read_only=True)
    # No overflow: connections beyond the pool are opened and closed again for each use, which a burst pays dearly.
    options: dict[str, Any] = {
        "pool_size": 16,
        "max_overflow": 0,
        "pool_timeout": 5,
        "pool_pre_ping": True,
        "hide_parameters": True,
        "connect_args": {"async_creator_fn": _Answering.connect, **FAR_END},
    }
    write = create_async_engine(url, **options)
    read = create_async_engine(url, **options, execution_options={"postgresql_readonly": True})
    return write, read


ANSWER_WITHIN: Final = 10.0
"""Seconds that a statement may take; a wait for a lock counts."""


class _Answering(psycopg.AsyncConnection[Any]):
    """A connection that is given up when no answer comes: behind a firewall that forgot it, a socket stays open.

    Whoever waits gets OperationalError, as from a server that went away; whether a commit came through is not known.
    """

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 (psycopg's own signature)
        """See psycopg; `timeout` is in seconds."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, ANSWER_WITHIN)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer from the database: the connection is closed") from None


def _sqlite_engine(url: str, *, read_only: bool) -> AsyncEngine:
    """WAL with `synchronous=FULL`: nothing less survives a power cut (measured; see docs/decisions)."""
    size = 4 if read_only else 1
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=10,
        connect_args={"timeout": 10, "async_creator_fn": sqlite_driver.connect},
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "secure_delete=ON",
            "trusted_schema=OFF",
            "cell_size_check=ON",
            f"query_only={'ON' if read_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine.sync_engine, "invalidate")
    def _release(connection: Any, _record: Any, _fault: Any) -> None:
        """A statement that was cancelled half way keeps its closed connection alive, and with it the writing lock."""
        with suppress(Exception):
            connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


_LOOKS: Final = 100
_BETWEEN_LOOKS: Final = 0.01


async def dispose(*engines: AsyncEngine) -> None:
    """Close all connections.

    A pool forgets what is out when it is disposed of, and a session whose task was cancelled gives its connection back
    a moment after that: so the last ones are waited for.
    """
    for engine in engines:
        pool = engine.pool
        for _ in range(_LOOKS):
            if not isinstance(pool, QueuePool) or not pool.checkedout():
                break
            await asyncio.sleep(_BETWEEN_LOOKS)
        await engine.dispose()


def upsert(db: AsyncSession, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, of whichever database this is."""
    return postgresql.insert(model) if dialect_of(db) == "postgresql" else sqlite.insert(model)


BeforeCommit = Callable[[AsyncSession], Awaitable[None]]
AfterCommit = Callable[[], None]


def before_commit(db: AsyncSession, hook: BeforeCommit) -> None:
    """Run `hook` inside the transaction, last of all; a hook that waits already is not added twice.

    One that is added while hooks run, also again, runs after them: a fact recorded by a hook has its leaf too.
    """
    hooks: list[BeforeCommit] = db.info.setdefault("before_commit", [])
    if hook not in hooks:
        hooks.append(hook)


def after_commit(db: AsyncSession, hook: AfterCommit) -> None:
    """Run `hook` once the transaction is durable; never if it is rolled back."""
    db.info.setdefault("after_commit", []).append(hook)


def dialect_of(db: AsyncSession) -> str:
    """`sqlite` or `postgresql`."""
    return db.get_bind().dialect.name


async def connection_of(db: AsyncSession) -> AsyncConnection:
    """The connection of this transaction, for statements that need no objects; asking the session each time is dear."""
    connection: AsyncConnection | None = db.info.get("connection")
    if connection is None:
        connection = db.info["connection"] = await db.connection()
    return connection


def services_of(db: AsyncSession) -> Services:
    """The services that opened this transaction."""
    services: Services = db.info["services"]
    return services


@asynccontextmanager
async def transaction(services: Services) -> AsyncIterator[AsyncSession]:
    """One writing transaction: committed on the way out, rolled back on an error, unless the error keeps changes."""
    async with AsyncSession(services.write_engine, expire_on_commit=False, info={"services": services}) as db:
        try:
            await db.begin()
            await connection_of(db)
        except PoolTimeout:
            raise Unavailable(retry_after=2) from None
        try:
            yield db
        except RiserboError as refusal:
            if refusal.keeps_changes:
                await _commit(db)
            else:
                await db.rollback()
            raise
        except BaseException:
            await db.rollback()
            raise
        else:
            await _commit(db)


@asynccontextmanager
async def reading(services: Services) -> AsyncIterator[AsyncSession]:
    """One reading transaction that the database refuses to write through."""
    async with AsyncSession(services.read_engine, expire_on_commit=False, info={"services": services}) as db:
        yield db


@asynccontextmanager
async def querying(services: Services) -> AsyncIterator[AsyncConnection]:
    """`reading` for statements alone, without the weight of a session: for what every request asks."""
    async with services.read_engine.connect() as connection:
        yield connection


async def _commit(db: AsyncSession) -> None:
    while hooks := db.info.pop("before_commit", []):
        for hook in hooks:
            await hook(db)
    try:
        await db.commit()
    except DBAPIError:
        await db.rollback()
        raise
    for hook in db.info.get("after_commit", ()):
        hook()
