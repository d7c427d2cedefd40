"""What people read in a bag is what was written, all of it, by whom and when; the export key alone changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.compliance import verifier
from app.compliance.bag import write_bag
from security.notes import SigningKey
from tests.support.evidence_samples import (
    EXPORT_KEY,
    ROOM,
    Bags,
    check,
    edit_rows,
    make_bags,
    reseal,
    room_contents,
    story,
    trust_file,
)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Bags:
    return make_bags(tmp_path_factory.mktemp("bags"))


@pytest.fixture
def room(bags: Bags, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bags.room, tmp_path / "room"))


@pytest.fixture
def whole(bags: Bags, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bags.whole, tmp_path / "whole"))


def run(*argv: object) -> int:
    return verifier.main([str(word) for word in argv])


def first_bad(bag: Path, trust: Path) -> int | None:
    done = check(bag, trust)
    assert not done.ok
    index: int | None = verifier.report_of(done)["first_bad_index"]
    return index


KEYS = [pytest.param(None, id="outsider"), pytest.param(EXPORT_KEY, id="insider")]


def _edit_message(name: str, value: object) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, name: value} if row["id"] == "m-2" else row for row in rows]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("messages", _edit_message("text", "Il saldo non è stato corretto.")),
        ("messages", _edit_message("opening", "00" * 32)),
        ("messages", _edit_message("sender", "customer")),
        ("messages", _edit_message("sender_id", "somebody")),
        ("messages", _edit_message("sent_at", "2026-11-21T19:00:13.000000Z")),
        ("messages", _edit_message("data_class", "general")),
        ("messages", _edit_message("n", 4)),
        ("messages", _edit_message("n", None)),
        ("messages", _edit_message("context", "{}")),
        ("messages", _edit_message("stream", f"room:{ROOM}x")),
        ("messages", lambda rows: [{**row, "text": None, "opening": None} for row in rows]),
        ("messages", lambda rows: rows[1:]),
        ("messages", lambda _: []),
        ("messages", lambda rows: [*rows, rows[0]]),
        ("messages", lambda rows: [rows[1], rows[0], *rows[2:]]),
        ("messages", lambda rows: [*rows, {**rows[0], "id": "m-0", "n": 9}]),
        ("thread", lambda rows: rows[1:]),
        ("thread", lambda rows: rows[::-1]),
        ("thread", lambda rows: [{**rows[0], "text": "bravi"}, *rows[1:]]),
        ("thread", lambda rows: [{**rows[0], "t": "reply.registered"}, *rows[1:]]),
    ],
)
def test_texts_that_differ_from_what_was_written_fail(
    bags: Bags, room: Path, key: SigningKey | None, file: str, change: Callable[[Rows], Rows]
) -> None:
    edit_rows(room / f"data/{file}.jsonl", change)
    _render_again(room)
    reseal(room, key)
    done = check(room, bags.trust)
    assert "texts" in [step["name"] for step in done.checks if not step["ok"]]


def _render_again(room: Path) -> None:
    """As an insider would who edits a message: the transcripts and the counts follow."""
    rows = {
        name: [json.loads(line) for line in (room / f"data/{name}.jsonl").read_bytes().splitlines()]
        for name in ("thread", "messages")
    }
    counts = {name: len(found) for name, found in rows.items()}
    edit_rows(room / "data/scope.json", lambda one: [{**one[0], "counts": {**one[0]["counts"], **counts}}])
    scope = json.loads((room / "data/scope.json").read_bytes())
    (room / "data/transcript.txt").write_text(verifier.render_text(scope, rows["thread"], rows["messages"]), "utf-8")
    (room / "data/transcript.html").write_text(verifier.render_html(scope, rows["thread"], rows["messages"]), "utf-8")


@pytest.mark.parametrize("name", ["transcript.txt", "transcript.html"])
def test_a_transcript_that_shows_other_words_than_were_proved_fails(bags: Bags, room: Path, name: str) -> None:
    path = room / "data" / name
    path.write_text(path.read_text("utf-8").replace("corretto", "azzerato"), "utf-8")
    reseal(room, EXPORT_KEY)
    assert [step["name"] for step in check(room, bags.trust).checks if not step["ok"]] == ["transcript"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("requester", "somebody-else"),
        ("leaf_index", 3),
        ("leaf_index", -1),
        ("streams", []),
        ("room", "0198c0de-0000-7000-8000-000000000023"),
        ("export", "0198c0de-0000-7000-8000-000000000006"),
        ("scope", "log"),
        ("version", 2),
        ("counts", {"leaves": 1, "messages": 1, "thread": 1}),
    ],
)
def test_a_scope_that_differs_from_the_exports_own_leaf_fails(bags: Bags, room: Path, name: str, value: object) -> None:
    edit_rows(room / "data/scope.json", lambda rows: [{**rows[0], name: value}])
    reseal(room, EXPORT_KEY)
    assert not check(room, bags.trust).ok


def test_an_export_leaf_that_leaves_out_the_rooms_case_fails(tmp_path: Path) -> None:
    log = story()
    log.add("export.requested", "export:e", ("agent", "o"), scope="room", of=ROOM)
    log.add("export.created", "export:e", scope="room", of=ROOM, streams=log.listed([f"room:{ROOM}"]))
    contents = room_contents(log, export_id="e", requester="o", thread=())
    write_bag(tmp_path / "bag", contents, EXPORT_KEY)
    done = check(tmp_path / "bag", trust_file(tmp_path / "t.json"))
    assert [step["name"] for step in done.checks if not step["ok"]] == ["complete"]
