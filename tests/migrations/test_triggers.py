from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Table, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from app import migrating
from app.database import Base
from app.settings import Settings
from tests.migrations.conftest import settings_for
from tests.migrations.schemas import APPEND_ONLY, AUDITED, engine_of, fill, new_leaf, tables_of
from tests.support.postgres import APP, OWNER, PostgresServer


@pytest.fixture
async def filled(settings: Settings) -> str:
    """A migrated main database with a row in every table."""
    await migrating.migrate(settings)
    fill(settings.main_database, tables_of(settings.main_database))
    return settings.main_database


def _refused(url: str, statement: Any, why: str) -> None:
    with pytest.raises(DBAPIError, match=why), engine_of(url).begin() as connection:
        connection.execute(statement)


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def _some_column(table: Table) -> str:
    return next(column.name for column in table.columns if not column.primary_key and column.name != "leaf_id")


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def test_no_audited_row_changes_without_a_new_leaf(filled: str) -> None:
    assert len(AUDITED) >= 12
    for name in AUDITED:
        table = _table(name)
        column = table.c[_some_column(table)]
        _refused(filled, update(table).values({column: column}), "a change needs a new leaf")


async def test_every_audited_row_changes_with_a_new_leaf(filled: str) -> None:
    for name in AUDITED:
        table = _table(name)
        with engine_of(filled).begin() as connection:
            changed = connection.execute(update(table).values(leaf_id=new_leaf(connection)))
            assert changed.rowcount == 1


async def test_a_leaf_that_does_not_exist_is_refused_at_the_commit(filled: str) -> None:
    for name in AUDITED:
        _refused(filled, update(_table(name)).values(leaf_id=UUID(int=9)), "(?i)foreign key")


async def test_no_audited_row_is_ever_deleted(filled: str) -> None:
    for name in AUDITED:
        _refused(filled, delete(_table(name)), "rows are never deleted")
        with engine_of(filled).connect() as connection:
            assert _count(connection, _table(name)) == 1


async def test_the_evidence_is_append_only(filled: str) -> None:
    for name in APPEND_ONLY:
        table = _table(name)
        column = table.c[_some_column(table)]
        _refused(filled, update(table).values({column: column}), "is append-only")
        _refused(filled, delete(table), "is append-only")


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)  # SQLite has no TRUNCATE: a DELETE is refused
async def test_no_evidence_is_truncated(filled: str) -> None:
    for name in (*AUDITED, *APPEND_ONLY):
        _refused(filled, text(f"TRUNCATE {name} CASCADE"), "never deleted|append-only")


async def test_each_new_leaf_joins_the_queue(filled: str) -> None:
    with engine_of(filled).connect() as connection:
        assert _count(connection, _table("audit_pending")) == _count(connection, _table("audit_leaves")) > 0


async def test_the_services_role_owns_nothing_and_may_not_touch_evidence(
    postgres_server: PostgresServer, tmp_path: Any
) -> None:
    names = [postgres_server.new_database(), postgres_server.new_database()]
    urls = [postgres_server.url(name, APP) for name in names]
    owners = [postgres_server.url(name, OWNER) for name in names]
    settings = settings_for(tmp_path, (urls[0], urls[1]))
    await migrating.migrate(settings, owner_urls=(owners[0], owners[1]))
    assert await migrating.is_current(settings)
    tables = tables_of(urls[0])
    fill(urls[0], tables)
    assert len(tables) >= 30
    for statement in (
        "DROP TRIGGER messages_needs_leaf ON messages",
        "ALTER TABLE messages DISABLE TRIGGER ALL",
        "CREATE TABLE mine (n int)",
        "DELETE FROM messages",
        "UPDATE audit_leaves SET n = n",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE messages",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0001'",
    ):
        _refused(urls[0], text(statement), "permission denied|must be owner")
    for name in names:
        postgres_server.drop_database(name)
