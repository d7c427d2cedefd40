"""Traps in a real database: whatever one sender writes breaks it there, the way real faults do.

A trap is SQL of the database itself, so that it holds whichever way the service writes its rows. SQLite's three ways to
raise differ in what they leave behind: ABORT takes the statement back, FAIL leaves half of it, ROLLBACK ends the whole
transaction under its owner's feet.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import psycopg
from sqlalchemy.engine import make_url

TRAPS: Final = ("a broken constraint", "half a statement or a deadlock", "the transaction is lost", "a failing commit")
_RAISE_ON_SQLITE: Final = {
    "a broken constraint": "SELECT RAISE(ABORT, 'trapped');",
    "half a statement or a deadlock": "SELECT RAISE(FAIL, 'trapped');",
    "the transaction is lost": "SELECT RAISE(ROLLBACK, 'trapped');",
    # the deferred reference is looked at by the COMMIT, which fails and leaves its transaction open
    "a failing commit": "INSERT INTO trap_child VALUES (1);",
}
_RAISE_ON_POSTGRESQL: Final = {
    "a broken constraint": "RAISE EXCEPTION 'trapped' USING ERRCODE = 'check_violation';",
    "half a statement or a deadlock": "RAISE EXCEPTION 'trapped' USING ERRCODE = 'deadlock_detected';",
    "the transaction is lost": "PERFORM pg_terminate_backend(pg_backend_pid());",
    "a failing commit": "RAISE EXCEPTION 'trapped' USING ERRCODE = 'serialization_failure';",
}


@contextlib.contextmanager
def trap(url: str, sender_id: UUID, kind: str, *, times: int | None = None) -> Iterator[None]:
    """While this is open, a message of `sender_id` breaks its transaction; on PostgreSQL only the first `times`."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        assert address.database is not None
        assert times is None
        with contextlib.closing(sqlite3.connect(address.database, isolation_level=None)) as file:
            file.executescript(_on_sqlite(sender_id, kind))
            try:
                yield
            finally:
                file.executescript("DROP TRIGGER trap; DROP TABLE trap_child; DROP TABLE trap_parent;")
        return
    folder = address.query["host"]
    with psycopg.connect(f"host={folder} user=postgres dbname={address.database}", autocommit=True) as server:
        for statement in _on_postgresql(sender_id, kind, times):
            server.execute(statement)
        try:
            yield
        finally:
            server.execute("DROP TRIGGER trap ON messages")
            server.execute("DROP FUNCTION trap()")
            server.execute("DROP SEQUENCE trapped")


def _on_sqlite(sender_id: UUID, kind: str) -> str:
    return (
        "CREATE TABLE trap_parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE trap_child (id INTEGER REFERENCES trap_parent (id) DEFERRABLE INITIALLY DEFERRED);"
        f"CREATE TRIGGER trap AFTER INSERT ON messages WHEN NEW.sender_id = '{sender_id.hex}' "
        f"BEGIN {_RAISE_ON_SQLITE[kind]} END;"
    )


def _on_postgresql(sender_id: UUID, kind: str, times: int | None) -> list[str]:
    # a sequence keeps counting when its transaction is rolled back
    condition = f"NEW.sender_id = '{sender_id}'"
    counted = "" if times is None else f"IF nextval('trapped') > {times} THEN RETURN NULL; END IF;"
    return [
        "CREATE SEQUENCE trapped",
        "GRANT ALL ON SEQUENCE trapped TO PUBLIC",
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        f"$$ BEGIN {counted} {_RAISE_ON_POSTGRESQL[kind]} RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON messages "
        f"{'DEFERRABLE INITIALLY DEFERRED' if kind == 'a failing commit' else ''} "
        f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION trap()",
    ]
