"""The judge of the crash suites sees each thing that must never happen; else its silence would mean nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.crashes.rig import Prepared, rig
from tests.support.judge import Judge
from tests.support.ledger import Ledger
from tests.support.soak import chance

Entries = list[dict[str, Any]]
Tampering = Callable[[sqlite3.Connection, Entries], None]


def a_message_is_gone(db: sqlite3.Connection, _entries: Entries) -> None:
    db.execute("DELETE FROM messages WHERE id = (SELECT id FROM messages LIMIT 1)")


def a_message_is_doubled(db: sqlite3.Connection, _entries: Entries) -> None:
    columns = [row[1] for row in db.execute("PRAGMA table_info(messages)")]
    fresh = {"id": "'f' || substr(id, 2)", "n": "n + 100000", "leaf_id": "id", "client_key": "x'00'"}
    chosen = ", ".join(fresh.get(name, name) for name in columns)
    db.execute(f"INSERT INTO messages SELECT {chosen} FROM messages WHERE n IS NOT NULL LIMIT 1")


def two_messages_changed_places(db: sqlite3.Connection, entries: Entries) -> None:
    room, low, high = db.execute("SELECT conversation_id, min(n), max(n) FROM messages GROUP BY 1 LIMIT 1").fetchone()
    for old, new in ((low, -1), (high, low), (-1, high)):
        db.execute("UPDATE messages SET n = ? WHERE n = ? AND conversation_id = ?", [new, old, room])


def one_text_stands_in_the_place_of_another(db: sqlite3.Connection, _entries: Entries) -> None:
    db.execute(
        "UPDATE messages SET sealed_text = (SELECT sealed_text FROM messages ORDER BY id DESC LIMIT 1) "
        "WHERE id = (SELECT min(id) FROM messages)"
    )


def a_leaf_was_rewritten(db: sqlite3.Connection, _entries: Entries) -> None:
    db.execute("UPDATE audit_leaves SET leaf = CAST(replace(leaf, '\"v\":1', '\"v\":2') AS BLOB) WHERE stage_no = 60")


def a_leaf_has_no_place(db: sqlite3.Connection, _entries: Entries) -> None:
    db.execute("DELETE FROM audit_sequence WHERE leaf_index = (SELECT max(leaf_index) FROM audit_sequence)")


def a_checkpoint_is_of_another_log(db: sqlite3.Connection, _entries: Entries) -> None:
    db.execute(
        "UPDATE audit_checkpoints SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM audit_checkpoints)"
    )


def an_acknowledgement_came_out_of_order(_db: sqlite3.Connection, entries: Entries) -> None:
    first = _some(entries, "ok", side="customer")
    first["n"] += 10_000


def nobody_was_told_of_it(_db: sqlite3.Connection, entries: Entries) -> None:
    key = _some(entries, "ok")["key"]
    entries[:] = [entry for entry in entries if entry["key"] != key]


def the_refused_is_stored(_db: sqlite3.Connection, entries: Entries) -> None:
    _some(entries, "ok")["what"] = "refused"


def an_outcome_is_not_known(_db: sqlite3.Connection, entries: Entries) -> None:
    _some(entries, "ok")["what"] = "unknown"


FOUND: dict[Tampering, str] = {
    a_message_is_gone: "ACKNOWLEDGED AND LOST",
    a_message_is_doubled: "messages, .* leaves",
    two_messages_changed_places: "another number than its row",
    one_text_stands_in_the_place_of_another: "cannot be opened",
    a_leaf_was_rewritten: "is not what was placed",
    a_leaf_has_no_place: "the log's head",
    a_checkpoint_is_of_another_log: "checkpoint",
    an_acknowledgement_came_out_of_order: "was acknowledged as",
    nobody_was_told_of_it: "stored though never acknowledged",
    the_refused_is_stored: "stored though refused",
    an_outcome_is_not_known: "tries without an outcome",
}


async def test_the_judge_finds_whatever_must_never_happen(on_sqlite: Prepared, tmp_path: Path) -> None:
    _, random = chance("the judge")
    async with rig(on_sqlite, tmp_path / "house", random) as it:
        await it.start()
        it.crowd.start()
        await it.crowd.work(120, 30.0)
        await it.look(whole=True)
        await it.crowd.stop()
        await asyncio.to_thread(it.served.stop, 30.0)
        ledger = it.judge.ledger.path.read_text("utf-8")
        for tampering in (None, *FOUND):
            name = tampering.__name__ if tampering else "nothing"
            folder = Path(shutil.copytree(it.ground.folder, tmp_path / name))
            entries = [json.loads(line) for line in ledger.splitlines()]
            if tampering is not None:
                _tamper(folder, tampering, entries)
            judge = Judge(
                replace(it.ground, folder=str(folder)).settings(), _ledger(tmp_path / f"{name}.jsonl", entries)
            )
            found = _findings(judge)
            assert re.search(FOUND[tampering] if tampering else "^$", found), f"{name}: {found!r}"


def _findings(judge: Judge) -> str:
    try:
        judge.look(whole=True)
    except AssertionError as findings:
        return str(findings)
    return ""


def _tamper(folder: Path, tampering: Tampering, entries: Entries) -> None:
    """As somebody would who owns the file: no trigger stands in the way."""
    with contextlib.closing(sqlite3.connect(folder / "riserbo.db")) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        tampering(db, entries)


def _ledger(path: Path, entries: Entries) -> Ledger:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    ledger = Ledger(path)
    ledger.close()
    return ledger


def _some(entries: Entries, what: str, **about: str) -> dict[str, Any]:
    """An acknowledged wish that was sent once, in a room where its client said more afterwards."""
    for place, entry in enumerate(entries):
        if entry["what"] == what and about.items() <= entry.items() and entry["n"]:
            key, client = entry["key"], entry["client"]
            if sum(one["key"] == key and one["what"] == "invoke" for one in entries) == 1 and any(
                one["client"] == client and one["what"] == "ok" for one in entries[place + 1 :]
            ):
                return entry
    raise AssertionError("no such entry")
