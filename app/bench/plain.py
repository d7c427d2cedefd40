"""The same rows without the service: pgbench, and sqlite3 in a tight loop, one transaction a message.

The bytes are those of a real message, made once; nothing is encrypted, hashed, checked or delivered.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
from sqlalchemy import Table

from app.audit.models import Leaf
from app.conversations.models import Message, RoomEvent
from app.database import Base

_TPS: Final = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_LATENCY: Final = re.compile(r"^latency average = ([\d.]+) ms", re.MULTILINE)
PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")


class SchemaMoved(Exception):
    """A table has other columns than this measurement writes."""


class PgbenchFailed(Exception):
    """pgbench said why."""


def _columns(model: type[Base], values: Mapping[str, str], *, without: Sequence[str] = ()) -> tuple[str, str]:
    table: Table = model.__table__  # type: ignore[assignment]
    names = {column.name for column in table.columns} - set(without)
    if names != set(values):
        raise SchemaMoved(f"{table.name}: {sorted(names ^ set(values))}")
    return ", ".join(values), ", ".join(values.values())


def _inserts(values: Mapping[type[Base], Mapping[str, str]]) -> list[str]:
    statements = []
    for model, named in values.items():
        names, wanted = _columns(model, named, without=("stage_no",))
        statements.append(f"INSERT INTO {model.__tablename__} ({names}) VALUES ({wanted})")  # noqa: S608 (names of our own tables)
    return statements


# ---- PostgreSQL


def pgbench_script(database: str, number: int) -> str:
    """The script for a copy of a ground's database; gives it a table by which a number finds a room."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE bench_rooms AS SELECT row_number() OVER (ORDER BY id)::int AS r, id AS room "
            "FROM conversations"
        )
        connection.execute("ALTER TABLE bench_rooms ADD PRIMARY KEY (r)")
        row = connection.execute("SELECT count(*) FROM bench_rooms").fetchone()
        sample = connection.execute(
            "SELECT sealed_text, leaf FROM messages JOIN audit_leaves ON audit_leaves.id = messages.leaf_id LIMIT 1"
        ).fetchone()
        staff = connection.execute("SELECT id FROM staff_accounts ORDER BY login LIMIT 1").fetchone()
    assert row is not None
    assert sample is not None
    assert staff is not None
    return _script(int(row[0]), sample, str(staff[0]), "uuidv7()" if number >= 180000 else "gen_random_uuid()")


def _script(rooms: int, sample: tuple[bytes, bytes], staff: str, new_id: str) -> str:
    hashed = "sha256(uuid_send(gen_random_uuid()))"
    sealed, leaf = (f"'\\x{one.hex()}'::bytea" for one in sample)
    message, event, leaf_row = _inserts(
        {
            Message: {
                "id": new_id,
                "conversation_id": ":room::uuid",
                "n": ":n",
                "sender": "'agent'",
                "sender_id": f"'{staff}'",
                "session_id": ":session::uuid",
                "data_class": "'account'",
                "state": "'sent'",
                "sealed_text": sealed,
                "client_key": hashed,
                "body_hash": hashed,
                "sent_at": "now()",
                "released_at": "NULL",
                "expires_at": "NULL",
                "leaf_id": ":leaf::uuid",
            },
            RoomEvent: {
                "conversation_id": ":room::uuid",
                "n": ":n",
                "kind": "'message'",
                "message_id": ":message::uuid",
                "data": "'{}'",
                "at": "now()",
            },
            Leaf: {
                "id": ":leaf::uuid",
                "stream": "'room:' || :room::text",
                "n": ":leaf_n",
                "leaf": leaf,
                "leaf_hash": hashed,
            },
        }
    )
    return (
        f"\\set r random(1, {rooms})\n"
        "BEGIN;\n"
        f"UPDATE conversations SET last_n = last_n + 1, leaf_id = {new_id} FROM bench_rooms WHERE r = :r AND id = room "
        "RETURNING last_n AS n, leaf_id AS leaf, room, session_id AS session \\gset\n"
        f"UPDATE audit_streams SET n = n + 1, head = {hashed} WHERE stream = 'room:' || :room::text "
        "RETURNING n AS leaf_n \\gset\n"
        f"{message} RETURNING id AS message \\gset\n"
        f"{event};\n"
        f"{leaf_row};\n"
        "COMMIT;\n"
    )


def run_pgbench(program: str, database: str, script: Path, *, concurrency: int, seconds: float) -> dict[str, float]:
    """Transactions per second and their mean latency."""
    command = [
        *(program, "--no-vacuum", "--protocol=prepared", f"--client={concurrency}", f"--jobs={min(concurrency, 2)}"),
        *(f"--time={max(round(seconds), 1)}", f"--file={script}", database),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (named by the operator)
    per_second, latency = _TPS.search(done.stdout), _LATENCY.search(done.stdout)
    if done.returncode != 0 or per_second is None or "ERROR" in done.stderr:
        raise PgbenchFailed(done.stderr.strip()[-2000:])
    return {"per_second": float(per_second[1]), "mean_ms": float(latency[1]) if latency else 0.0}


# ---- SQLite


def tight_loop(file: str, seconds: float) -> dict[str, float]:
    """Messages per second into a copy of a ground's database."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        rooms = [list(row) for row in connection.execute(_ROOMS)]
        sample = connection.execute(
            "SELECT sealed_text, leaf, sender_id, body_hash FROM messages "
            "JOIN audit_leaves ON audit_leaves.id = messages.leaf_id LIMIT 1"
        ).fetchone()
        statements = _sqlite_statements()
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            _one_message(connection, statements, rooms[done % len(rooms)], sample)
            done += 1
        return {"per_second": done / (time.perf_counter() - begin)}


_ROOMS: Final = (
    "SELECT conversations.id, session_id, last_n, audit_streams.n, stream FROM conversations JOIN audit_streams "
    "ON stream = 'room:' || substr(conversations.id, 1, 8) || '-' || substr(conversations.id, 9, 4) || '-' || "
    "substr(conversations.id, 13, 4) || '-' || substr(conversations.id, 17, 4) || '-' || substr(conversations.id, 21)"
)


def _sqlite_statements() -> list[str]:
    tables: list[type[Base]] = [Leaf, Message, RoomEvent]
    named = {}
    for model in tables:
        table: Table = model.__table__  # type: ignore[assignment]
        named[model] = {column.name: f":{column.name}" for column in table.columns if column.name != "stage_no"}
    return [
        "UPDATE conversations SET last_n = :n, leaf_id = :leaf_id WHERE id = :conversation_id",
        "UPDATE audit_streams SET n = :leaf_n, head = :leaf_hash WHERE stream = :stream",
        *_inserts(named),
    ]


def _one_message(connection: sqlite3.Connection, statements: list[str], room: list[Any], sample: Any) -> None:
    room[2] += 1
    room[3] += 1
    sealed, leaf, sender, some_hash = sample
    message_id, leaf_id, moment = uuid4().hex, uuid4().hex, time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime())
    values = {
        "id": message_id,
        "conversation_id": room[0],
        "session_id": room[1],
        "n": room[2],
        "leaf_n": room[3],
        "stream": room[4],
        "leaf_id": leaf_id,
        "leaf": leaf,
        "leaf_hash": some_hash,
        "sender": "agent",
        "sender_id": sender,
        "data_class": "account",
        "state": "sent",
        "sealed_text": sealed,
        "client_key": message_id.encode(),
        "body_hash": some_hash,
        "sent_at": moment,
        "released_at": None,
        "expires_at": None,
        "kind": "message",
        "message_id": message_id,
        "data": "{}",
        "at": moment,
    }
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statements[0], values)
    connection.execute(statements[1], values)
    connection.execute(statements[2], {**values, "id": leaf_id, "n": room[3]})
    connection.execute(statements[3], values)
    connection.execute(statements[4], values)
    connection.execute("COMMIT")
