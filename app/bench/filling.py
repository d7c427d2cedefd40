"""Fills the rooms of a ground with valid messages in bulk: sealed, committed to, each with its leaf and its place.

Everything is as if the agent had posted it, but for speed: no lane, no locks, one transaction for many messages.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import select

from app.audit.models import LOG_ID, LogHead, StreamHead
from app.audit.sequencer import sequence
from app.bench.generator import TEXT
from app.bench.ground import Ground, installation
from app.bench.stores import connected
from app.conversations.models import Conversation
from app.database import reading
from app.ids import new_id
from app.main import Installation
from app.policy import Policy
from security.commitments import ciphertext_hash, commit, opening
from security.envelope import Place, seal
from security.keys import DataKey
from security.merkle import Frontier, leaf_hash

CHUNK: Final = 10_000
READ: Final = (
    "INSERT INTO read_marks (conversation_id, side, n, noticed_n, at) "
    "SELECT id, side, last_n, 0, opened_at FROM conversations "
    "CROSS JOIN (SELECT 'agent' AS side UNION ALL SELECT 'customer') AS sides"
)
"""Both sides have read what lies there, as where people talk: the first look at a room would else count all of it."""
Row = tuple[Any, ...]
COLUMNS: Final = {
    "audit_leaves": ("id", "stream", "n", "leaf", "leaf_hash"),
    "messages": (
        *("id", "conversation_id", "n", "sender", "sender_id", "session_id", "data_class", "state", "sealed_text"),
        *("client_key", "body_hash", "sent_at", "released_at", "expires_at", "leaf_id"),
    ),
    "room_events": ("conversation_id", "n", "kind", "message_id", "data", "at"),
}


@dataclass
class _Line:
    """A room as it grows: its last number, and number and hash of the last leaf of its stream."""

    room: UUID
    session: UUID
    key: DataKey
    last_n: int
    leaf_n: int
    head: bytes
    leaf_id: UUID | None = None

    @property
    def stream(self) -> str:
        """The room's stream of leaves."""
        return f"room:{self.room}"


@dataclass(frozen=True)
class _Message:
    line: _Line
    n: int
    leaf: Row
    message: Row
    event: Row


class _Sink(Protocol):
    def insert(self, table: str, rows: Iterable[Row]) -> None: ...

    def execute(self, statement: str, values: Sequence[Row]) -> None: ...

    def commit(self) -> None: ...


class _SqliteSink:
    """sqlite3 without waiting for the disk: a fill that is cut off is made again."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" for _ in COLUMNS[table])
        statement = f"INSERT INTO {table} ({', '.join(COLUMNS[table])}) VALUES ({marks})"  # noqa: S608 (our own names)
        self._connection.executemany(statement, (_plain(row) for row in rows))

    def execute(self, statement: str, values: Sequence[Row]) -> None:
        self._connection.executemany(statement, [_plain(row) for row in values])

    def commit(self) -> None:
        self._connection.commit()


class _PostgresSink:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        connection.execute("SET synchronous_commit = off")
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if row and row[0]:
            # row by row, triggers and foreign keys would take most of the time; what they check is made right here
            connection.execute("SET session_replication_role = replica")

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        with self._connection.cursor().copy(f"COPY {table} ({', '.join(COLUMNS[table])}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def execute(self, statement: str, values: Sequence[Row]) -> None:
        self._connection.cursor().executemany(statement.replace("?", "%s"), values)

    def commit(self) -> None:
        self._connection.commit()


def _plain(row: Row) -> Row:
    """Values as SQLAlchemy stores them in SQLite: ids as 32 digits, moments in UTC without their zone."""
    return tuple(
        one.hex if isinstance(one, UUID) else _moment(one) if isinstance(one, datetime) else one for one in row
    )


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S.%f")


def fill(ground: Ground, count: int) -> None:
    """Add `count` messages, one room after the other; nobody may serve the installation meanwhile."""
    asyncio.run(_fill(ground, count))


async def _fill(ground: Ground, count: int) -> None:
    async with installation(Path(ground.folder), ground.environment) as house:
        while await sequence(house.services):
            pass
        lines = await _lines(house)
        async with reading(house.services) as db:
            head = await db.get_one(LogHead, LOG_ID)
            frontier = Frontier.load(head.size, head.frontier)
        agent = UUID(ground.staff["anna"].id)
        made = _messages(house, lines, agent, count)
        await asyncio.to_thread(_write, ground, made, frontier)


async def _lines(house: Installation) -> list[_Line]:
    async with reading(house.services) as db:
        rooms = (await db.execute(select(Conversation).order_by(Conversation.id))).scalars().all()
        heads = {row.stream: row for row in (await db.execute(select(StreamHead))).scalars()}
    lines = []
    for room in rooms:
        key, head = await house.services.vault.key(room.key_id), heads[f"room:{room.id}"]
        assert room.session_id is not None
        lines.append(_Line(room.id, room.session_id, key, room.last_n, head.n, head.head))
    return lines


def _messages(house: Installation, lines: list[_Line], agent: UUID, count: int) -> Iterator[_Message]:
    now = house.services.clock()
    for number in range(count):
        place = number % len(lines)
        if place == 0:
            now = house.services.clock()
        yield _message(lines[place], agent, now, f"{TEXT}{number}.".encode())


def _message(line: _Line, agent: UUID, now: datetime, text: bytes) -> _Message:
    message_id, leaf_id, stream = new_id(now), new_id(now), line.stream
    name = str(message_id)
    sealed = seal(line.key, Place("messages", "sealed_text", name), text)
    commitment = commit(opening(line.key, name), b'{"id":"%s","stream":"%s"}' % (name.encode(), stream.encode()), text)
    line.last_n += 1
    line.leaf_n += 1
    hashes = {"ct": ciphertext_hash(sealed).hex(), "pt": commitment.hex()}
    # what canonical_json would write, which takes as long as all the rest; the verifier refuses any other spelling
    leaf = (
        f'{{"actor":{{"id":"{agent}","k":"agent","role":"agent"}},"at":"{now:%Y-%m-%dT%H:%M:%S.%fZ}",'
        f'"data":{{"class":"account","ct":"{hashes["ct"]}","id":"{name}","key":"{line.key.id}",'
        f'"number":{line.last_n},"pt":"{hashes["pt"]}","sender":"agent","session":"{line.session}"}},'
        f'"id":"{leaf_id}","n":{line.leaf_n},"prev":"{line.head.hex()}","stream":"{stream}","t":"message.sent","v":1}}'
    ).encode()
    line.head, line.leaf_id = leaf_hash(leaf), leaf_id
    keys = (os.urandom(32), os.urandom(32))
    row = (message_id, line.room, line.last_n, "agent", agent, line.session, "account", "sent", sealed)
    return _Message(
        line,
        line.last_n,
        leaf=(leaf_id, stream, line.leaf_n, leaf, line.head),
        message=(*row, *keys, now, None, None, leaf_id),
        event=(line.room, line.last_n, "message", message_id, "{}", now),
    )


def _write(ground: Ground, made: Iterator[_Message], frontier: Frontier) -> None:
    url = ground.settings().main_database
    with closing(connected(url)) as connection:
        sink: _Sink = _SqliteSink(connection) if url.startswith("sqlite") else _PostgresSink(connection)
        while chunk := list(islice(made, CHUNK)):
            sink.insert("audit_leaves", (one.leaf for one in chunk))
            sink.insert("messages", (one.message for one in chunk))
            sink.insert("room_events", (one.event for one in chunk))
            _move_rooms(sink, {one.line.room: one.line for one in chunk})
            _place(sink, frontier, [one.leaf[4] for one in chunk])
            sink.commit()
        connection.execute("DELETE FROM read_marks")
        connection.execute(READ)
        connection.execute("ANALYZE")
        sink.commit()


def _move_rooms(sink: _Sink, moved: dict[UUID, _Line]) -> None:
    lines = moved.values()
    sink.execute(
        "UPDATE conversations SET last_n = ?, leaf_id = ? WHERE id = ?",
        [(line.last_n, line.leaf_id, line.room) for line in lines],
    )
    sink.execute(
        "UPDATE audit_streams SET n = ?, head = ? WHERE stream = ?",
        [(line.leaf_n, line.head, line.stream) for line in lines],
    )


def _place(sink: _Sink, frontier: Frontier, hashes: list[bytes]) -> None:
    """What the sequencer does, for all leaves that wait: they are exactly these, in this order."""
    size = frontier.size
    for one in hashes:
        frontier.append(one)
    sink.execute(
        "INSERT INTO audit_sequence (leaf_index, stage_no, leaf_hash) "
        "SELECT ? - 1 + row_number() OVER (ORDER BY stage_no), stage_no, leaf_hash "
        "FROM audit_leaves WHERE stage_no > (SELECT coalesce(max(stage_no), 0) FROM audit_sequence)",
        [(size,)],
    )
    sink.execute("DELETE FROM audit_pending WHERE stage_no >= ?", [(0,)])
    sink.execute(
        "UPDATE audit_log SET size = ?, frontier = ?, root = ? WHERE id = ?",
        [(frontier.size, frontier.dump(), frontier.root(), LOG_ID)],
    )


def renew_sessions(ground: Ground) -> None:
    """Let every customer be as one who has just come in: filling takes longer than a session may idle."""
    url, now = ground.settings().main_database, datetime.now(UTC)
    with closing(connected(url)) as connection:
        sink: _Sink = _SqliteSink(connection) if url.startswith("sqlite") else _PostgresSink(connection)
        sink.execute(
            "UPDATE sessions SET last_seen_at = ?, expires_at = ? WHERE binding_id IS NOT NULL AND ended_at IS NULL",
            [(now, now + Policy().sessions.level_3.absolute)],
        )
        sink.commit()
