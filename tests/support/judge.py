"""Compares what clients were told with what the databases hold, by its own reading of rows, leaves and checkpoints.

Nothing of the service's reading code takes part: rows come by SQL, the log is computed anew with the verifier that is
shipped in every bag. Each look judges what is new since the last one; `whole` counts everything once more.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import psycopg
from sqlalchemy.engine import make_url

from app import key_files
from app.compliance import verifier
from app.settings import Settings
from app.vault import KeyFile
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json, unb64url
from security.envelope import Place, open_sealed
from security.errors import DecryptionFailed
from security.keys import DataKey, WrappedKey
from tests.support.ledger import Ledger

GROUP: Final = 400
PATIENCE: Final = 30.0
Rows = list[tuple[Any, ...]]


class Query(Protocol):
    def __call__(self, statement: str, values: Sequence[Any] = ()) -> Rows: ...


@contextlib.contextmanager
def reading(url: str, direct: str | None = None) -> Iterator[Query]:
    """One snapshot of a database, read with its plain driver; `direct` is a conninfo past any proxy."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        connection = sqlite3.connect(f"file:{parsed.database}?mode=ro", uri=True, isolation_level=None, timeout=10)
        try:
            connection.execute("BEGIN")
            yield lambda statement, values=(): connection.execute(statement, tuple(values)).fetchall()
        finally:
            connection.close()
        return
    conninfo = direct or parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, options="-c default_transaction_isolation=repeatable\\ read") as server:
        server.read_only = True
        yield lambda statement, values=(): server.execute(
            statement.replace("%", "%%").replace("?", "%s").encode(), list(values)
        ).fetchall()


@dataclass
class Told:
    """What the ledger says of one wish that has an outcome."""

    client: str
    room: str
    text: str
    n: int | None = None
    id: str | None = None
    state: str | None = None


@dataclass
class Stored:
    """What the evidence and the rows say of one message."""

    id: UUID
    room: UUID
    leaf: dict[str, Any]


@dataclass
class Findings:
    """Everything that is not as it must be."""

    found: list[str] = field(default_factory=list)

    def unless(self, holds: object, what: str) -> None:
        if not holds:
            self.found.append(what)


class Judge:
    """Holds what was seen so far: heads of streams, the tree, every acknowledged wish."""

    def __init__(
        self, settings: Settings, ledger: Ledger, direct: tuple[str, str] | None = None, *, beside: int = 0
    ) -> None:
        self._settings = settings
        self.ledger = ledger
        self._direct = direct or (None, None)
        log_key = key_files.read_signing_key(settings.keys / key_files.LOG_KEY_FILE)
        self._log_keys = [verifier.parse_vkey(log_key.vkey())]
        self._ring = KeyFile(settings.keys / key_files.KEK_FILE).ring()
        self._keys: dict[UUID, DataKey] = {}
        self._rooms: dict[UUID, UUID] = {}
        self._tree = verifier.Tree()
        self._roots: dict[int, bytes] = {0: self._tree.root()}
        self._signed = 0
        self._heads: dict[str, tuple[int, str]] = {}
        self._known: dict[str, Told] = {}
        self._last_n: dict[tuple[str, str], int] = {}
        self._refused: set[str] = set()
        self._open: set[str] = set()
        self._messages: set[UUID] = set()
        self._numbers: dict[tuple[UUID, int], UUID] = {}
        self._beside = beside
        self.leaves = 0

    @property
    def judged(self) -> int:
        """Messages compared so far."""
        return len(self._messages)

    def look(self, *, whole: bool = False) -> None:
        """Judge what is new; every client must be quiet. Raises AssertionError with all findings."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with reading(self._settings.main_database, self._direct[0]) as query:
                pending = query("SELECT count(*) FROM audit_pending")[0][0]
                if not pending:
                    found = self._compare(query, whole=whole)
                    break
            assert time.monotonic() < deadline, f"{pending} leaves still wait for a place after {PATIENCE} s"
            time.sleep(0.02)
        assert not found, f"{len(found)} findings: " + "; ".join(found[:20])

    def _compare(self, query: Query, *, whole: bool) -> list[str]:
        findings = Findings()
        told = self._read_ledger(findings)
        stored = self._read_log(query, findings)
        texts = self._open_messages(query, stored, findings)
        self._both_agree(told, texts, findings)
        self._check_counts(query, findings)
        self._check_checkpoints(query, findings)
        if whole:
            self._check_whole(query, findings)
        return findings.found

    def _read_ledger(self, findings: Findings) -> list[Told]:
        """The wishes that were acknowledged since the last look; order of acknowledgement is order of n."""
        new: list[Told] = []
        for entry in self.ledger.entries():
            key = entry["key"]
            if entry["what"] == "invoke":
                self._open.add(key)
            elif entry["what"] == "refused":
                self._open.discard(key)
                self._refused.add(entry["text"])
            elif entry["what"] == "ok":
                self._open.discard(key)
                told = Told(
                    entry["client"], entry["room"], entry["text"], entry["n"], entry.get("id"), entry.get("state")
                )
                if key in self._known:
                    findings.unless(self._known[key] == told, f"{key} was answered twice, and not alike: {told}")
                    continue
                self._known[key] = told
                new.append(told)
                self._check_order(told, key, findings)
        findings.unless(not self._open, f"tries without an outcome: {sorted(self._open)[:5]}")
        return new

    def _check_order(self, told: Told, key: str, findings: Findings) -> None:
        if told.n is None:
            return
        before = self._last_n.get((told.client, told.room), 0)
        findings.unless(told.n > before, f"{key} was acknowledged as {told.n} after {before} in its room")
        self._last_n[told.client, told.room] = told.n

    def _read_log(self, query: Query, findings: Findings) -> list[Stored]:
        """Every new leaf in the order of the log: its hash, its place in its stream, its place in the tree."""
        wanted = {row[0] for row in query("SELECT size FROM audit_checkpoints WHERE size > ?", [self._signed])}
        rows = query(
            "SELECT s.leaf_index, s.leaf_hash, l.leaf_hash, l.leaf, l.stream, l.n FROM audit_sequence s "
            "JOIN audit_leaves l ON l.stage_no = s.stage_no WHERE s.leaf_index >= ? ORDER BY s.leaf_index",
            [self._tree.size],
        )
        stored: list[Stored] = []
        for index, placed, hashed, leaf, stream, n in rows:
            findings.unless(index == self._tree.size, f"the log has a gap before {index}")
            real = verifier.leaf_hash(bytes(leaf))
            findings.unless(real == bytes(placed) == bytes(hashed), f"leaf {index} is not what was placed")
            self._tree.append(real)
            if self._tree.size in wanted:
                self._roots[self._tree.size] = self._tree.root()
            document = json.loads(bytes(leaf))
            number, head = self._heads.get(stream, (0, verifier.ZERO))
            chained = (document["stream"], document["n"], document["prev"]) == (
                stream,
                number + 1,
                head,
            ) and n == number + 1
            findings.unless(chained, f"stream {stream} does not go on at leaf {index}")
            self._heads[stream] = (document["n"], real.hex())
            if document["t"] in ("message.sent", "message.held"):
                message = UUID(document["data"]["id"])
                findings.unless(message not in self._messages, f"message {message} has two leaves")
                self._messages.add(message)
                stored.append(Stored(message, UUID(stream.removeprefix("room:")), document))
        self._roots[self._tree.size] = self._tree.root()
        self.leaves = self._tree.size
        return stored

    def _open_messages(self, query: Query, stored: list[Stored], findings: Findings) -> dict[str, tuple[Told, Stored]]:
        """The texts of new messages, each with what its row says; row, leaf and text must agree."""
        texts: dict[str, tuple[Told, Stored]] = {}
        by_id = {one.id: one for one in stored}
        ids = list(by_id)
        for start in range(0, len(ids), GROUP):
            part = ids[start : start + GROUP]
            marks = ", ".join("?" for _ in part)
            rows = query(
                f"SELECT id, conversation_id, n, state, sealed_text FROM messages WHERE id IN ({marks})",
                [self._id(one) for one in part],
            )
            found = {UUID(str(row[0])) for row in rows}
            findings.unless(
                found == set(part), f"leaves without their message: {sorted(set(part) - found, key=str)[:5]}"
            )
            for row in rows:
                one = by_id[UUID(str(row[0]))]
                room, n, state, sealed = UUID(str(row[1])), row[2], row[3], bytes(row[4])
                text = self._opened(query, one, room, sealed, findings)
                self._check_row(one, room, n, state, findings)
                findings.unless(text not in texts, f"a text is stored twice: {text[:60]}")
                texts[text] = (Told("", str(room), text, n, str(one.id), state), one)
        return texts

    def _opened(self, query: Query, one: Stored, room: UUID, sealed: bytes, findings: Findings) -> str:
        key, data = self._key(query, room), one.leaf["data"]
        try:
            text = open_sealed(key, Place("messages", "sealed_text", str(one.id)), sealed)
        except DecryptionFailed:
            findings.unless(False, f"message {one.id} cannot be opened")
            return f"(closed) {one.id}"
        context = canonical_json({"stream": f"room:{room}", "id": str(one.id)})
        proved = commit(opening(key, str(one.id)), context, text).hex()
        same = (data["ct"], data["pt"], one.room) == (ciphertext_hash(sealed).hex(), proved, room)
        findings.unless(same, f"the leaf of message {one.id} is about something else")
        return text.decode()

    def _check_row(self, one: Stored, room: UUID, n: int | None, state: str, findings: Findings) -> None:
        held = one.leaf["t"] == "message.held"
        findings.unless(
            (state, n is None) == (("held", True) if held else ("sent", False)), f"{one.id} is {state}, {n}"
        )
        findings.unless(one.leaf["data"].get("number") == n, f"the leaf of {one.id} has another number than its row")
        if n is not None:
            findings.unless((room, n) not in self._numbers, f"two messages have number {n} in room {room}")
            self._numbers[room, n] = one.id

    def _both_agree(self, told: list[Told], texts: dict[str, tuple[Told, Stored]], findings: Findings) -> None:
        """Acknowledged is stored, once, as it was told; and nothing else is."""
        for one in told:
            row = texts.pop(one.text, None)
            if row is None:
                findings.unless(False, f"ACKNOWLEDGED AND LOST: {one.text[:60]} in {one.room}")
                continue
            there = row[0]
            same = (one.room, one.n) == (there.room, there.n) and one.id in (None, there.id)
            findings.unless(same and one.state in (None, there.state), f"told {one}, stored {there}")
        for text in texts:
            kind = "refused" if text in self._refused else "never acknowledged"
            findings.unless(False, f"stored though {kind}: {text[:60]}")

    def _check_counts(self, query: Query, findings: Findings) -> None:
        """No message without a leaf; every room counts without gaps."""
        count = query("SELECT count(*) FROM messages")[0][0]
        findings.unless(count == len(self._messages) + self._beside, f"{count} messages, {len(self._messages)} leaves")
        rooms = query(
            "SELECT c.id, c.last_n, count(e.n), max(e.n), sum(CASE WHEN e.kind = 'message' THEN 1 ELSE 0 END) "
            "FROM conversations c JOIN room_events e ON e.conversation_id = c.id GROUP BY c.id, c.last_n"
        )
        for room, last, events, highest, _ in rooms:
            findings.unless(
                last == events == highest, f"room {room} counts {last}, has {events} events up to {highest}"
            )
        numbered = sum(row[4] for row in rooms)
        findings.unless(
            numbered == len(self._numbers), f"{numbered} message events, {len(self._numbers)} numbered messages"
        )

    def _check_checkpoints(self, query: Query, findings: Findings) -> None:
        """Every signed head is the head of the log that we computed."""
        rows = query("SELECT size, root, note FROM audit_checkpoints WHERE size > ? ORDER BY size", [self._signed])
        for size, root, note in rows:
            signed = verifier.open_checkpoint(note.encode(), self._settings.origin, self._log_keys)
            ours = self._roots.get(size)
            findings.unless((signed.size, signed.root, ours) == (size, bytes(root), bytes(root)), f"checkpoint {size}")
            self._signed = size
        (size, root), *_ = query("SELECT size, root FROM audit_log")
        findings.unless((size, bytes(root)) == (self._tree.size, self._tree.root()), f"the log's head at {size}")
        memory = self._settings.keys / key_files.SIGNER_MEMORY
        if memory.exists():
            document = json.loads(memory.read_text("utf-8"))
            findings.unless(int(document["size"]) >= self._signed, "the signer has forgotten what it signed")
            unb64url(document["frontier"])

    def _check_whole(self, query: Query, findings: Findings) -> None:
        """Every leaf has its place, every stream's head is its last leaf, every message its one event."""
        leaves = query("SELECT count(*) FROM audit_leaves")[0][0]
        findings.unless(leaves == self._tree.size, f"{leaves} leaves, {self._tree.size} places")
        heads = {row[0]: (row[1], bytes(row[2]).hex()) for row in query("SELECT stream, n, head FROM audit_streams")}
        wrong = [name for name, head in heads.items() if head[0] and self._heads.get(name) != head]
        findings.unless(not wrong and set(self._heads) <= set(heads), f"heads of streams differ: {wrong[:5]}")
        events = {
            (UUID(str(room)), n): UUID(str(message))
            for room, n, message in query(
                "SELECT conversation_id, n, message_id FROM room_events WHERE kind = 'message'"
            )
        }
        findings.unless(events == self._numbers, "the rooms' numbers name other messages")
        by_room: dict[str, int] = defaultdict(int)
        for told in self._known.values():
            by_room[told.room] += 1
        counted = {
            str(UUID(str(room))): count
            for room, count in query("SELECT conversation_id, count(*) FROM messages GROUP BY conversation_id")
        }
        if not self._beside:
            findings.unless(counted == dict(by_room), f"acknowledged by room {dict(by_room)}, stored {counted}")

    def _key(self, query: Query, room: UUID) -> DataKey:
        if room not in self._keys:
            key_id = UUID(str(query("SELECT key_id FROM conversations WHERE id = ?", [self._id(room)])[0][0]))
            with reading(self._settings.key_database, self._direct[1]) as keys:
                (version, blob), *_ = keys(
                    "SELECT kek_version, blob FROM wrapped_keys WHERE id = ?", [self._id(key_id)]
                )
            self._keys[room] = self._ring.unwrap(key_id, WrappedKey(version, bytes(blob)))
        return self._keys[room]

    def _id(self, value: UUID) -> str | UUID:
        """An id as the database's driver takes it."""
        return value.hex if make_url(self._settings.main_database).get_backend_name() == "sqlite" else value


def ledger_in(folder: Path) -> Ledger:
    """A new ledger, in a folder that nothing under test knows."""
    folder.mkdir(parents=True, exist_ok=True)
    return Ledger(folder / "ledger.jsonl")
