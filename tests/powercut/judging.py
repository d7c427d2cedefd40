"""Judges what a power cut left: opened by the real engines, read with the real keys, checked against what was promised.

`CORRUPT`: the database or the evidence contradicts itself. `LOST`: something is gone that had been promised.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from app.database import create_engines
from app.vault import KeyFile
from security.encoding import unb64url
from security.envelope import Place, open_sealed
from security.errors import SecurityError
from security.keys import DataKey, WrappedKey
from security.merkle import Frontier, leaf_hash

FINE: Final = "fine"
LOST: Final = "lost"
CORRUPT: Final = "corrupt"
ENGINE_EVERY: Final = 5
MESSAGE_LEAVES: Final = ("message.sent", "message.held")


Promise = dict[str, Any]
"""One line that the workload told the world."""


@dataclass
class Verdict:
    """What is wrong, in sentences."""

    corrupt: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        return CORRUPT if self.corrupt else LOST if self.lost else FINE

    def hold(self, true: bool, otherwise: str) -> None:
        if not true:
            self.corrupt.append(otherwise)

    def keep(self, true: bool, otherwise: str) -> None:
        if not true:
            self.lost.append(otherwise)


@dataclass(frozen=True)
class _Leaf:
    id: str
    kind: str
    previous: str
    n: int
    data: dict[str, Any]
    hash: bytes


@dataclass(frozen=True)
class _Found:
    """What is there after all, to be held against what was promised."""

    rooms: dict[str, str]
    keys: set[str]
    texts: dict[str, tuple[str, int | None, str]]
    checkpoints: dict[int, bytes]


class Judge:
    """Opens one rebuilt disk after the other. Remembers what exact bytes mean, so that the same leaf is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leaves: dict[bytes, _Leaf] = {}
        self._texts: dict[bytes, str] = {}
        self._keys: dict[Any, DataKey] = {}
        self._judged = 0
        self._roots: dict[bytes, tuple[bytes, bytes]] = {}

    async def judge(self, files: dict[str, bytearray], told: Sequence[Promise]) -> Verdict:
        """The verdict on these files, if these promises had been given."""
        for old in self._folder.iterdir():
            old.unlink()
        for path, content in files.items():
            (self._folder / Path(path).name).write_bytes(content)
        verdict = Verdict()
        self._judged += 1
        try:
            async with self._opened("main.db") as main, self._opened("keys.db") as keys:
                self._look(verdict, main, keys, told)
        except (DBAPIError, sqlite3.Error, LookupError, TypeError, ValueError) as fault:
            # also rows that hold what nobody wrote: a NULL in the place of a leaf's bytes
            verdict.corrupt.append(f"{type(fault).__name__}: {fault}")
        return verdict

    @contextlib.asynccontextmanager
    async def _opened(self, name: str) -> AsyncIterator[sqlite3.Connection]:
        """Recovered by SQLite, each fifth time through the service's own engines (the same library, ten times slower)."""
        path = self._folder / name
        async with contextlib.AsyncExitStack() as stack:
            if self._judged % ENGINE_EVERY == 0:
                for engine in create_engines(f"sqlite+aiosqlite:///{path}"):
                    stack.push_async_callback(engine.dispose)
                    async with engine.connect() as connection:
                        await connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")
            yield stack.enter_context(contextlib.closing(sqlite3.connect(path)))

    def _look(
        self, verdict: Verdict, main: sqlite3.Connection, keys: sqlite3.Connection, told: Sequence[Promise]
    ) -> None:
        for connection, name in ((main, "main"), (keys, "keys")):
            verdict.hold(_rows(connection, "PRAGMA integrity_check") == [("ok",)], f"{name}: integrity_check")
            verdict.hold(not _rows(connection, "PRAGMA foreign_key_check"), f"{name}: foreign_key_check")
        stored = self._stored_keys(verdict, keys)
        leaves = self._log(verdict, main)
        rooms = _rooms(verdict, main, set(stored))
        texts = self._messages(verdict, main, {room: stored.get(key) for room, key in rooms.items()}, leaves)
        checkpoints = dict(_rows(main, "SELECT size, root FROM audit_checkpoints"))
        self._signer(verdict, checkpoints)
        found = _Found(rooms, set(stored), texts, checkpoints)
        for fact in told:
            _keep_promise(verdict, fact, found)

    def _stored_keys(self, verdict: Verdict, connection: sqlite3.Connection) -> dict[str, DataKey]:
        ring = KeyFile(self._folder / "kek.json").ring()
        for row in _rows(connection, "SELECT id, kek_version, blob FROM wrapped_keys"):
            if row not in self._keys:
                try:
                    self._keys[row] = ring.unwrap(UUID(row[0]), WrappedKey(row[1], row[2]))
                except SecurityError:
                    verdict.hold(False, f"key {row[0]} does not unwrap")
        found = _rows(connection, "SELECT id, kek_version, blob FROM wrapped_keys")
        return {row[0]: self._keys[row] for row in found if row in self._keys}

    def _log(self, verdict: Verdict, connection: sqlite3.Connection) -> dict[str, list[_Leaf]]:
        """Streams chain, leaves have their hashes, places follow each other, the head follows from them."""
        rows = _rows(connection, "SELECT stage_no, id, stream, n, leaf, leaf_hash FROM audit_leaves ORDER BY 1")
        heads: dict[str, tuple[int, bytes]] = {}
        by_message: dict[str, list[_Leaf]] = {}
        for _, leaf_id, stream, n, raw, stored in rows:
            leaf = self._read(raw)
            number, head = heads.get(stream, (0, bytes(32)))
            whole = (leaf.n, leaf.previous, leaf.hash, leaf.id) == (number + 1, head.hex(), stored, leaf_id)
            verdict.hold(whole and n == leaf.n, f"stream {stream} does not chain at {n}")
            heads[stream] = (n, stored)
            if leaf.kind in MESSAGE_LEAVES:
                by_message.setdefault(leaf.data["id"].replace("-", ""), []).append(leaf)
        stored_heads = {row[0]: (row[1], row[2]) for row in _rows(connection, "SELECT * FROM audit_streams")}
        verdict.hold(stored_heads == heads, "the streams' heads are not their last leaves")
        self._places(verdict, connection, {row[0]: row[5] for row in rows})
        return by_message

    def _places(self, verdict: Verdict, connection: sqlite3.Connection, hashes: dict[int, bytes]) -> None:
        placed = _rows(connection, "SELECT leaf_index, stage_no, leaf_hash FROM audit_sequence ORDER BY 1")
        waiting = {row[0] for row in _rows(connection, "SELECT stage_no FROM audit_pending")}
        verdict.hold([row[0] for row in placed] == list(range(len(placed))), "places have gaps")
        verdict.hold(all(hashes.get(row[1]) == row[2] for row in placed), "a place names another leaf")
        verdict.hold(set(hashes) - {row[1] for row in placed} == waiting, "a leaf neither waits nor has a place")
        head = _rows(connection, "SELECT size, frontier, root FROM audit_log")
        grown = self._grown(b"".join(row[2] for row in placed))
        verdict.hold(head == [(len(placed), *grown)], "the log's head does not follow from its leaves")
        for signed, signed_root in _rows(connection, "SELECT size, root FROM audit_checkpoints"):
            _, then = self._grown(b"".join(row[2] for row in placed[:signed]))
            verdict.hold(signed <= len(placed) and then == signed_root, f"the checkpoint of {signed} is of another log")

    def _read(self, raw: bytes) -> _Leaf:
        if raw not in self._leaves:
            document = json.loads(raw)
            leaf_id = document["id"].replace("-", "")
            known = _Leaf(leaf_id, document["t"], document["prev"], document["n"], document["data"], leaf_hash(raw))
            self._leaves[raw] = known
        return self._leaves[raw]

    def _grown(self, hashes: bytes) -> tuple[bytes, bytes]:
        """(frontier, root) over these leaf hashes."""
        if hashes not in self._roots:
            frontier = Frontier()
            for at in range(0, len(hashes), 32):
                frontier.append(hashes[at : at + 32])
            self._roots[hashes] = (frontier.dump(), frontier.root())
        return self._roots[hashes]

    def _messages(
        self,
        verdict: Verdict,
        connection: sqlite3.Connection,
        keys: dict[str, DataKey | None],
        leaves: dict[str, list[_Leaf]],
    ) -> dict[str, tuple[str, int | None, str]]:
        """Each message has one leaf and one place in its room, and opens. Gives (room, n, text) by id."""
        events = _rows(connection, "SELECT message_id, conversation_id, n FROM room_events WHERE kind = 'message'")
        placed = {row[0]: (row[1], row[2]) for row in events}
        verdict.hold(len(placed) == len(events), "a message stands in a room twice")
        found = {}
        columns = "id, conversation_id, n, sealed_text, leaf_id"
        for message, room, n, sealed, leaf_id in _rows(connection, f"SELECT {columns} FROM messages"):
            own = leaves.pop(message, [])
            verdict.hold([leaf.id for leaf in own] == [leaf_id], f"message {message} has {len(own)} leaves")
            verdict.hold(placed.pop(message, None) == ((room, n) if n is not None else None), f"{message} out of place")
            found[message] = (room, n, self._text(verdict, keys.get(room), message, sealed))
        verdict.hold(not placed and not leaves, "a leaf or a room's event has no message")
        return found

    def _text(self, verdict: Verdict, key: DataKey | None, message: str, sealed: bytes) -> str:
        if sealed not in self._texts:
            try:
                assert key is not None, "no key"
                opened = open_sealed(key, Place("messages", "sealed_text", str(UUID(message))), sealed)
            except (SecurityError, AssertionError):
                verdict.hold(False, f"message {message} does not open")
                return ""
            self._texts[sealed] = opened.decode()
        return self._texts[sealed]

    def _signer(self, verdict: Verdict, checkpoints: dict[int, bytes]) -> None:
        """The signer remembers at least what was given out, or it could be made to sign another history."""
        memory = self._folder / "signer.json"
        frontier = Frontier()
        if memory.exists():
            try:
                document = json.loads(memory.read_text("utf-8"))
                frontier = Frontier.load(int(document["size"]), unb64url(document["frontier"]))
            except (ValueError, KeyError) as fault:
                verdict.hold(False, f"the signer's memory is torn: {fault}")
        verdict.keep(frontier.size >= max(checkpoints, default=0), "the signer has forgotten what it signed")


def _rooms(verdict: Verdict, connection: sqlite3.Connection, stored: set[str]) -> dict[str, str]:
    """Every room and case has its key; every room's stream is numbered without a gap. Gives key by room."""
    rooms = _rows(connection, "SELECT id, key_id, last_n FROM conversations")
    used = [row[1] for row in rooms] + [row[0] for row in _rows(connection, "SELECT key_id FROM cases")]
    verdict.hold(set(used) <= stored, "a room or case has outlived its key")
    numbers: dict[str, list[int]] = {}
    for room, n in _rows(connection, "SELECT conversation_id, n FROM room_events ORDER BY 1, 2"):
        numbers.setdefault(room, []).append(n)
    for room, _, last in rooms:
        verdict.hold(numbers.pop(room, []) == list(range(1, last + 1)), f"room {room} is not numbered through")
    verdict.hold(not numbers, "a room's event has no room")
    return {row[0]: row[1] for row in rooms}


def _rows(connection: sqlite3.Connection, statement: str) -> list[Any]:
    return connection.execute(statement).fetchall()


def _keep_promise(verdict: Verdict, fact: dict[str, Any], found: _Found) -> None:
    name = fact.get("id", "").replace("-", "")
    match fact["kind"]:
        case "message":
            expected = (fact["room"].replace("-", ""), fact["n"], fact["text"])
            verdict.keep(found.texts.get(name) == expected, f"message {name}")
        case "room":
            verdict.keep(name in found.rooms, f"room {name}")
        case "key":
            verdict.keep(name in found.keys, f"key {name}")
        case "checkpoint":
            verdict.keep(found.checkpoints.get(fact["size"], b"").hex() == fact["root"], f"checkpoint {fact['size']}")
