"""The two kinds of store under measurement: new databases, copies of them, plain connections, versions, processes."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL
from sqlalchemy.engine import make_url

from app.bench.ground import Databases
from app.bench.machine import name_of, parent_of


class Store(Protocol):
    """One kind of database."""

    kind: str

    def new(self) -> Databases:
        """Two empty databases for an installation."""
        ...

    def clone(self, databases: Databases) -> Databases:
        """Copies of databases that nobody has open."""
        ...

    def copy(self, main: str, folder: Path) -> str:
        """A copy of a main database that nobody has open; its plain address, for `connect` of the driver."""
        ...

    def version(self) -> str:
        """Name and version, with the settings that decide what a commit costs."""
        ...

    def processes(self) -> dict[str, int]:
        """Processes whose processor time belongs to the store, by name."""
        ...

    def close(self) -> None:
        """Remove what was made."""
        ...


@dataclass
class SqliteStore:
    """Files in the installation's folder."""

    kind: str = "sqlite"

    def new(self) -> Databases:
        """See `Store`."""
        return Databases("", "")

    def clone(self, databases: Databases) -> Databases:
        """See `Store`: they are copied with the folder."""
        return databases

    def copy(self, main: str, folder: Path) -> str:
        """See `Store`; with the write-ahead log folded in."""
        source = make_url(main).database or ""
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target = folder / f"plain-{uuid4().hex}.db"
        shutil.copyfile(source, target)
        return str(target)

    def version(self) -> str:
        """See `Store`."""
        return f"SQLite {sqlite3.sqlite_version} (WAL, synchronous=FULL)"

    def processes(self) -> dict[str, int]:
        """See `Store`: it runs inside the server."""
        return {}

    def close(self) -> None:
        """See `Store`: the folder goes as a whole."""


@dataclass
class PostgresStore:
    """Databases of a server that `url` may create databases on; `url` names one to connect to for that."""

    url: str
    kind: str = "postgres"
    _made: list[str] = field(default_factory=list)

    def new(self) -> Databases:
        """See `Store`."""
        return Databases(*(self._url(self._create(None)) for _ in range(2)))

    def clone(self, databases: Databases) -> Databases:
        """See `Store`."""
        copies = (self._url(self._create(make_url(url).database)) for url in (databases.main, databases.keys))
        return Databases(*copies)

    def copy(self, main: str, folder: Path) -> str:
        """See `Store`."""
        del folder
        return conninfo(self._url(self._create(make_url(main).database)))

    def version(self) -> str:
        """See `Store`."""
        with psycopg.connect(conninfo(self.url)) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
            known = {name: _scalar(connection, f"SHOW {name}") for name in names}
        version = known.pop("server_version").split()[0]
        return f"PostgreSQL {version} ({', '.join(f'{name}={value}' for name, value in known.items())})"

    def number(self) -> int:
        """The server's version as a number, 150018 for 15.18."""
        with psycopg.connect(conninfo(self.url)) as connection:
            return connection.info.server_version

    def processes(self) -> dict[str, int]:
        """See `Store`: the postmaster, if the server runs on this machine where we can see it."""
        with psycopg.connect(conninfo(self.url)) as connection:
            backend = connection.info.backend_pid
            postmaster = parent_of(backend)
        if postmaster and postmaster > 1 and name_of(postmaster).startswith("postgres"):
            return {"postgres": postmaster}
        return {}

    def close(self) -> None:
        """See `Store`."""
        while self._made:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._made.pop())))

    def _create(self, template: str | None) -> str:
        name = f"riserbo_bench_{uuid4().hex[:16]}"
        template_name = sql.Identifier(template or "template1")
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template_name))
        self._made.append(name)
        return name

    def _url(self, database: str) -> str:
        parsed = make_url(self.url).set(drivername="postgresql+psycopg", database=database)
        return parsed.render_as_string(hide_password=False)

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
            connection.execute(statement)


def conninfo(url: str) -> str:
    """A SQLAlchemy URL as libpq takes it."""
    parsed: URL = make_url(url).set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)


def connected(url: str) -> Any:
    """A plain DB-API connection to a main database: sqlite3 or psycopg, by its URL."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite3.connect(parsed.database or "", timeout=30)
    return psycopg.connect(conninfo(url))


def _scalar(connection: psycopg.Connection[Any], statement: str) -> str:
    row = connection.execute(statement.encode()).fetchone()
    return str(row[0]) if row else ""
