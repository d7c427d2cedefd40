"""Brings both databases to the schema that this version needs, and says whether they are there."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from app.settings import Settings

HISTORIES: Final = ("main", "keys")
_SCRIPTS: Final = Path(__file__).parent.parent / "migrations"
# alembic keeps what it works on in globals
_one_at_a_time = threading.Lock()
_GRANTED: Final = "SELECT, INSERT, UPDATE, DELETE"


class MigrationRefused(Exception):
    """There is no such revision, the database is ahead of this version, or a row refers to nothing."""


@dataclass(frozen=True)
class Standing:
    """Where one database stands: the revision it has (None: empty) and the newest one known here."""

    history: str
    revision: str | None
    newest: str

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.revision == self.newest


async def migrate(settings: Settings, *, to: str = "head", owner_urls: tuple[str, str] | None = None) -> None:
    """Bring both databases to revision `to`, keys first; with any other than `head`, the main database only.

    `owner_urls` connect as the role that owns the schema, where the service's own role may not change it; then the
    service's role is granted what it needs. Raises `MigrationRefused`.
    """
    main, keys = owner_urls or (settings.main_database, settings.key_database)
    if to == "head":
        await asyncio.to_thread(_run, "keys", keys, to, make_url(settings.key_database).username)
    await asyncio.to_thread(_run, "main", main, to, make_url(settings.main_database).username)


async def is_current(settings: Settings) -> bool:
    """Whether both databases have the newest schema."""
    return all(standing.is_current for standing in await standings(settings))


async def standings(settings: Settings) -> list[Standing]:
    """Where both databases stand; an SQLite file that does not exist is not made."""
    urls = (settings.main_database, settings.key_database)
    return [await asyncio.to_thread(_standing, name, url) for name, url in zip(HISTORIES, urls, strict=True)]


def script_config(history: str) -> Config:
    """Alembic's configuration for one history, from the checkout or from the installed package alike."""
    config = Config()
    config.set_main_option("script_location", _escaped(_SCRIPTS))
    config.set_main_option("version_locations", _escaped(_SCRIPTS / history))
    config.set_main_option("path_separator", "newline")
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _standing(history: str, url: str) -> Standing:
    newest = ScriptDirectory.from_config(script_config(history)).get_current_head() or ""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return Standing(history, None, newest)
    with _engine(url).connect() as connection:
        return Standing(history, MigrationContext.configure(connection).get_current_revision(), newest)


def _run(history: str, url: str, to: str, service_role: str | None) -> None:
    config = script_config(history)
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    with _one_at_a_time, engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            if _is_behind_us(config, connection, to):
                command.downgrade(config, to)
            else:
                command.upgrade(config, to)
        except CommandError as fault:
            raise MigrationRefused(f"{history}: {fault}") from None
        _check_references(history, connection)
        if connection.dialect.name == "postgresql" and service_role:
            _grant(connection, service_role)


def _is_behind_us(config: Config, connection: Connection, to: str) -> bool:
    """Whether `to` lies before the revision that the database has."""
    if to == "head":
        return False
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None or to == "base":
        return to == "base"
    before = ScriptDirectory.from_config(config).iterate_revisions(current, "base")
    return to in {script.revision for script in before} - {current}


def _check_references(history: str, connection: Connection) -> None:
    """SQLite runs revisions with foreign keys off, since a rebuilt table would else take its children along."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise MigrationRefused(f"{history}: rows refer to rows that are not there; nothing was changed")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    driver = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return create_engine(parsed.set(drivername=driver), poolclass=NullPool, hide_parameters=True)


def _prepare_sqlite(engine: Engine) -> None:
    """One transaction a run: the driver, left alone, would commit before every CREATE."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=10000", "synchronous=FULL", "secure_delete=ON", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _grant(connection: Connection, role: str) -> None:
    """Give the service's role rows, but no schema; what triggers refuse is not even allowed to it."""
    owner = connection.exec_driver_sql("SELECT current_user").scalar_one()
    known = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if role == owner or known is None:
        return
    quoted = connection.dialect.identifier_preparer.quote_identifier(role)
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT {_GRANTED} ON ALL TABLES IN SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
    guarded = connection.exec_driver_sql(
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
    ).all()
    for table, trigger in guarded:
        if trigger == f"{table}_no_delete":
            connection.exec_driver_sql(f'REVOKE DELETE ON "{table}" FROM {quoted}')
        elif trigger == f"{table}_append_only":
            connection.exec_driver_sql(f'REVOKE UPDATE, DELETE ON "{table}" FROM {quoted}')
    connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {quoted}")
