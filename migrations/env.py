"""Runs revisions over a connection that the caller hands over, or over the URL of alembic.ini's section.

One run is one transaction on both databases: a run that is killed has changed nothing.
"""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

# Two runs at once would meet; any number serves that nothing else in this database uses.
ADVISORY_LOCK = 7_249_031_184
LOCK_TIMEOUT = "10s"
STATEMENT_TIMEOUT = "15min"


def run() -> None:
    """Upgrade or downgrade, as alembic's command says."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _over(given)
        return
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("alembic.ini names no database: use `riserbo migrate`, or set sqlalchemy.url for development")
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        _begin_ourselves(engine)
    with engine.connect() as connection:
        _over(connection)


def _over(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        transactional_ddl=True,
        # a batch rewrites the table and loses its triggers: a revision that needs one says so, and puts them back
        render_as_batch=False,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        context.run_migrations()


def _begin_ourselves(engine: Any) -> None:
    """The driver would commit before every CREATE; this way all of a run is in one transaction."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


run()
