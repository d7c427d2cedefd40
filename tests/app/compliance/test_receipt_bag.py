"""A receipt holds what one session saw, proves it without us, and nothing of it can be changed unnoticed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.compliance import verifier
from app.compliance.bag import BagIncomplete, pack, proved_leaf
from app.compliance.receipt_bag import write_receipt
from security.merkle import TreeHasher
from security.notes import SigningKey
from tests.app.compliance.archive import verify
from tests.support.evidence_samples import (
    ATTACKER_KEY,
    EXPORT_KEY,
    LOG_KEY,
    ROOM,
    check,
    edit_lines,
    edit_rows,
    reseal,
    trust_file,
)
from tests.support.receipt_samples import RECEIPT, make_receipt, receipt_contents, with_receipt

PAGE = Path(__file__).parents[3] / "docs/formats/receipt.md"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("receipts")
    make_receipt(folder / "receipt")
    return folder / "receipt"


@pytest.fixture
def receipt(sample: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample, tmp_path / "receipt"))


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    return trust_file(tmp_path / "trust.json")


def test_a_receipt_verifies_as_folder_and_as_zip(receipt: Path, trust: Path, tmp_path: Path) -> None:
    pack(receipt, tmp_path / "receipt.zip")
    for bag in (receipt, tmp_path / "receipt.zip"):
        report = verify(bag, trust)
        assert report["problems"] == []
        names = [one["name"] for one in report["checks"]]
        assert names == [
            "files",
            "manifests",
            "signature",
            "checkpoint",
            "scope",
            "leaves",
            "receipt",
            "texts",
            "transcript",
        ]


def test_a_receipt_may_be_older_than_the_newest_head_but_not_contradict_one(receipt: Path, tmp_path: Path) -> None:
    log, _ = with_receipt()
    size = len(log.leaves)
    for _ in range(5):
        log.add("log.heartbeat", "log", size=len(log.leaves))
    assert check(receipt, trust_file(tmp_path / "newer.json", log.note())).ok
    assert check(receipt, trust_file(tmp_path / "same.json", log.note(size))).ok
    other, _ = with_receipt()
    other.leaves[0] = other.leaves[0].replace(b"log.started", b"log.starteD")
    assert not check(receipt, trust_file(tmp_path / "other.json", other.note(size))).ok


def test_a_receipts_head_never_becomes_the_one_that_is_remembered(receipt: Path, tmp_path: Path) -> None:
    log, _ = with_receipt()
    trust = trust_file(tmp_path / "old.json", log.note(12))
    before = trust.read_text()
    assert verifier.main([str(receipt), "--trust", str(trust), "--update-trust"]) == 0
    assert trust.read_text() == before


def test_a_receipt_says_nothing_of_what_was_not_seen(receipt: Path) -> None:
    whole = b"".join(path.read_bytes() for path in receipt.rglob("*") if path.is_file() and path.name != "verify.py")
    lines = (receipt / "data/leaves.jsonl").read_bytes().splitlines()
    leaves = [verifier.parse_room_leaf(line)[0] for line in lines]
    everything = whole + b"".join(json.dumps(leaf.body).encode() for leaf in leaves)
    for unseen in (b"m-4", b"m-5", b"m-late", b"note-1", b"post-1", b"attempt:", b"Ancora trattenuto", b"export:"):
        assert unseen not in everything, unseen
    assert {leaf.stream for leaf in leaves} == {f"room:{ROOM}", f"receipt:{RECEIPT}"}
    assert not (receipt / "data/leaf-hashes.txt").exists()


def _message(name: str, value: object, which: str = "m-2") -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        edit_rows(
            bag / "data/messages.jsonl", lambda rows: [{**r, name: value} if r["id"] == which else r for r in rows]
        )

    return change


def _scope(**changes: object) -> Callable[[Path], None]:
    return lambda bag: edit_rows(bag / "data/scope.json", lambda rows: [{**rows[0], **changes}])


def _leaves(change: Callable[[Rows], Rows]) -> Callable[[Path], None]:
    return lambda bag: edit_rows(bag / "data/leaves.jsonl", change)


def _without_m1(bag: Path) -> None:
    """The message, its leaf and its count together, as somebody who holds the export key would do it."""
    edit_rows(bag / "data/messages.jsonl", lambda rows: [row for row in rows if row["id"] != "m-1"])
    edit_lines(bag / "data/leaves.jsonl", lambda lines: [line for line in lines if b'"m-1"' not in _leaf(line)])
    _scope(messages=2)(bag)
    _draw(bag)


def _leaf(line: bytes) -> bytes:
    return verifier.unbase64(json.loads(line)["leaf"])


def _draw(bag: Path) -> None:
    """The transcripts drawn again, so that they do not give the change away."""
    scope = json.loads((bag / "data/scope.json").read_bytes())
    rows = [json.loads(line) for line in (bag / "data/messages.jsonl").read_bytes().splitlines()]
    (bag / "data/transcript.txt").write_bytes(verifier.render_text(scope, [], rows).encode())
    (bag / "data/transcript.html").write_bytes(verifier.render_html(scope, [], rows).encode())


def _text_and_transcript(bag: Path) -> None:
    _message("text", "Il saldo non è stato corretto.")(bag)
    _draw(bag)


def _without_text(bag: Path) -> None:
    for name in ("text", "opening"):
        _message(name, None)(bag)
    _draw(bag)


def _head(size: int | None, key: SigningKey) -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        (bag / "data/checkpoint").write_text(with_receipt()[0].note(size, key))

    return change


def _more(bag: Path) -> None:
    (bag / "data/more.txt").write_text("x")


def _foreign_leaf(bag: Path) -> None:
    """A true leaf of the log, with a true proof, that is none of this receipt's business."""
    log, _ = with_receipt()
    tree, at = TreeHasher(log.hashes), 0
    row = json.loads(proved_leaf(at, log.leaves[at], tree.inclusion(at, tree.size)))
    edit_rows(bag / "data/leaves.jsonl", lambda rows: [row, *rows])


CHANGES: dict[str, Callable[[Path], None]] = {
    "another text": _message("text", "Il saldo non è stato corretto."),
    "another text, drawn again": _text_and_transcript,
    "another opening": _message("opening", "00" * 32),
    "another sender": _message("sender", "customer"),
    "another time": _message("sent_at", "2026-11-21T19:00:13.000000Z"),
    "another number": _message("n", 9),
    "no number": _message("n", None),
    "no text": _without_text,
    "another context": _message("context", "{}"),
    "another room's stream": _message("stream", f"room:{ROOM}x"),
    "a message left out": _without_m1,
    "a message twice": lambda bag: edit_rows(bag / "data/messages.jsonl", lambda rows: [*rows, rows[-1]]),
    "another order": lambda bag: edit_rows(bag / "data/messages.jsonl", lambda rows: rows[::-1]),
    "another level": _scope(level=4),
    "another room": _scope(room="0198c0de-0000-7000-8000-000000000099"),
    "another receipt": _scope(receipt="0198c0de-0000-7000-8000-000000000099"),
    "another count": _scope(messages=2),
    "another version": _scope(version=2),
    "another scope": _scope(scope="room"),
    "its own leaf elsewhere": _scope(leaf_index=0),
    "its own leaf below zero": _scope(leaf_index=-1),
    "its own leaf gone": _leaves(lambda rows: rows[:-1]),
    "a leaf gone": _leaves(lambda rows: rows[1:]),
    "a leaf of somebody else": _foreign_leaf,
    "leaves in another order": _leaves(lambda rows: rows[::-1]),
    "a path cut": _leaves(lambda rows: [{**rows[0], "proof": rows[0]["proof"][:-1]}, *rows[1:]]),
    "a place of another leaf": _leaves(lambda rows: [{**rows[0], "index": rows[0]["index"] + 1}, *rows[1:]]),
    "a file more": _more,
    "a file less": lambda bag: (bag / "data/transcript.txt").unlink(),
    "a line in the transcript": lambda bag: edit_lines(bag / "data/transcript.txt", lambda lines: [*lines, b"| x"]),
    "a page that runs": lambda bag: edit_lines(bag / "data/transcript.html", lambda lines: [*lines, b"<script>"]),
    "another head": _head(20, LOG_KEY),
    "a head that nobody signed": _head(None, ATTACKER_KEY),
}  # fmt: skip


@pytest.mark.parametrize("key", [pytest.param(None, id="outsider"), pytest.param(EXPORT_KEY, id="insider")])
@pytest.mark.parametrize("name", CHANGES)
def test_a_receipt_that_was_changed_does_not_verify(receipt: Path, trust: Path, name: str, key: Any) -> None:
    CHANGES[name](receipt)
    assert not check(receipt, trust).ok
    reseal(receipt, key)
    done = check(receipt, trust)
    assert not done.ok
    assert done.problems


def test_a_receipt_of_another_bank_or_by_an_unknown_key_does_not_verify(receipt: Path, tmp_path: Path) -> None:
    assert not check(receipt, trust_file(tmp_path / "t1.json", export_keys=[ATTACKER_KEY.vkey()])).ok
    assert not check(receipt, trust_file(tmp_path / "t2.json", origin="another.example/log")).ok
    reseal(receipt, ATTACKER_KEY)
    assert not check(receipt, trust_file(tmp_path / "t3.json")).ok


@pytest.mark.parametrize(
    "changes",
    [{"level": 2}, {"messages": 2}, {"digest": "00" * 32}, {"room": "0198c0de-0000-7000-8000-000000000099"}],
)
def test_the_log_itself_says_what_a_receipt_holds(tmp_path: Path, trust: Path, changes: dict[str, Any]) -> None:
    log, own = with_receipt(**changes)
    write_receipt(tmp_path / "other", receipt_contents(log, own), EXPORT_KEY)
    assert not check(tmp_path / "other", trust).ok


def test_a_receipt_is_not_written_without_its_leaf_or_a_leaf_of_each_message(tmp_path: Path) -> None:
    log, own = with_receipt()
    whole = receipt_contents(log, own)
    for cut in (whole.leaves[:-1], whole.leaves[1:]):
        with pytest.raises(BagIncomplete):
            write_receipt(tmp_path / "cut", receipt_contents(log, own, leaves=cut), EXPORT_KEY)
        assert not (tmp_path / "cut").exists()


def test_the_format_page_shows_the_sample(sample: Path) -> None:
    page = PAGE.read_text("utf-8")
    assert LOG_KEY.vkey() in page
    assert EXPORT_KEY.vkey() in page
    for line in (sample / "manifest-sha256.txt").read_text().splitlines():
        assert line in page
    assert (sample / "data/scope.json").read_text().strip() in page
    own = _leaf((sample / "data/leaves.jsonl").read_bytes().splitlines()[-1]).decode()
    assert own in page
