"""No bag that was touched verifies, whoever did it; the first bad leaf is named; nothing gives a traceback."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.compliance import verifier
from app.compliance.bag import write_bag
from security.encoding import canonical_json
from security.merkle import TreeHasher
from security.notes import SigningKey
from tests.support.evidence_samples import (
    ATTACKER_KEY,
    EXPORT_KEY,
    LOG_KEY,
    ORIGIN,
    Bags,
    check,
    edit_lines,
    edit_rows,
    log_contents,
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


# --- what holds ---


@pytest.mark.parametrize("name", ["room", "whole"])
def test_an_untouched_bag_verifies_in_an_isolated_interpreter_in_an_empty_folder(
    bags: Bags, tmp_path: Path, name: str
) -> None:
    bag: Path = getattr(bags, name)
    command = [sys.executable, "-I", "-S", str(bag / "verify.py"), str(bag), "--trust", str(bags.trust), "--json"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, timeout=60, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["ok"], report["problems"]) == (0, b"", True, [])
    assert report["first_bad_index"] is None
    assert all(line["ok"] for line in report["checks"])


def test_the_verifier_is_one_file_that_imports_only_the_standard_library() -> None:
    source = Path(verifier.__file__).read_text("utf-8")
    modules = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= sys.stdlib_module_names


def test_the_text_report_has_one_line_a_check(bags: Bags, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bags.room, "--trust", bags.trust) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["ok", "files"], ["ok", "manifests"], ["ok", "signature"]]
    assert lines[-1] == "the evidence holds"


# --- every byte ---


def flips(bag: Path, count: int) -> list[tuple[Path, int, int]]:
    """Places and bits: some in every file, the rest anywhere, the same on every run."""
    chance = random.Random(20261121)
    files = sorted(path for path in bag.rglob("*") if path.is_file())
    chosen = [(path, place, 1 << chance.randrange(8)) for path in files for place in (0, path.stat().st_size - 1)]
    weights = [min(path.stat().st_size, 4000) for path in files]
    anywhere = chance.choices(files, weights, k=count)
    return chosen + [(path, chance.randrange(path.stat().st_size), 1 << chance.randrange(8)) for path in anywhere]


@pytest.mark.parametrize("name", ["room", "whole"])
def test_any_flipped_bit_in_any_file_is_found(bags: Bags, tmp_path: Path, name: str) -> None:
    bag = Path(shutil.copytree(getattr(bags, name), tmp_path / name))
    survivors = []
    for path, place, bit in flips(bag, 300):
        original = path.read_bytes()
        path.write_bytes(original[:place] + bytes([original[place] ^ bit]) + original[place + 1 :])
        done = check(bag, bags.trust)
        if done.ok or not done.problems:
            survivors.append((path.name, place, bit))
        path.write_bytes(original)
    assert survivors == []
    assert check(bag, bags.trust).ok


def test_every_byte_of_the_signature_file_counts(bags: Bags, room: Path) -> None:
    path = room / verifier.SIGNATURE
    original = path.read_bytes()
    for place in range(len(original)):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        assert not check(room, bags.trust).ok, place
    path.write_bytes(original + b"\xe2\x80\x94 someone.else " + base64.b64encode(bytes(68)) + b"\n")
    assert not check(room, bags.trust).ok


def test_every_bit_of_every_leaf_of_the_whole_log_names_that_leaf(bags: Bags, whole: Path) -> None:
    chance = random.Random(7)
    path = whole / "data/leaves.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1]
    for index, line in enumerate(lines):
        place = chance.randrange(len(line))
        changed = line[:place] + (b"x" if line[place : place + 1] != b"x" else b"y") + line[place + 1 :]
        path.write_bytes(b"\n".join([*lines[:index], changed, *lines[index + 1 :]]) + b"\n")
        assert first_bad(whole, bags.trust) == index


def test_every_changed_leaf_of_a_room_is_named(bags: Bags, room: Path) -> None:
    path = room / "data/leaves.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    for row in rows:
        leaf = base64.b64decode(row["leaf"]).replace(b'"v":1', b'"v": 1')
        changed = [{**other, "leaf": base64.b64encode(leaf).decode()} if other is row else other for other in rows]
        path.write_bytes(b"".join(canonical_json(other) + b"\n" for other in changed))
        assert first_bad(room, bags.trust) == row["index"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_file_the_answer_is_a_report_and_never_a_traceback(data: st.DataObject) -> None:
    bags = _shared()
    name = data.draw(st.sampled_from(sorted(str(p.relative_to(bags.room)) for p in bags.room.rglob("*.*"))))
    path = bags.room / name
    original = path.read_bytes()
    try:
        path.write_bytes(data.draw(st.binary(max_size=200) | st.text(max_size=80).map(str.encode) | json_bytes))
        if name.startswith("data/"):
            reseal(bags.room, EXPORT_KEY)
        done = check(bags.room, bags.trust)
        assert not done.ok
        assert done.problems
    finally:
        path.write_bytes(original)
        if name.startswith("data/"):
            reseal(bags.room, EXPORT_KEY)


json_bytes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)
).map(lambda value: json.dumps(value).encode() + b"\n")
_made: list[Bags] = []


def _shared() -> Bags:
    if not _made:
        import tempfile

        _made.append(make_bags(Path(tempfile.mkdtemp())))
    return _made[0]


# --- leaves dropped, moved, added; by an outsider, and by an insider who holds the export key ---

KEYS = [pytest.param(None, id="outsider"), pytest.param(EXPORT_KEY, id="insider")]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("change", "index"),
    [
        (lambda lines: lines[:9] + lines[10:], 9),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 4),
        (lambda lines: [*lines[:7], lines[3], *lines[7:]], 7),
        (lambda lines: lines[1:], 0),
        (lambda lines: lines[:-1], 26),
        (lambda lines: [*lines, lines[-1]], 27),
        (lambda _: [], 0),
    ],
    ids=["dropped", "swapped", "inserted", "first", "last", "appended", "all"],
)
def test_a_whole_log_with_other_leaves_fails_at_the_first_of_them(
    bags: Bags, whole: Path, key: SigningKey | None, change: Callable[[list[bytes]], list[bytes]], index: int
) -> None:
    edit_lines(whole / "data/leaves.jsonl", change)
    reseal(whole, key)
    assert first_bad(whole, bags.trust) == index


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", range(20))
def test_a_leaf_removed_from_a_room_is_named(bags: Bags, room: Path, key: SigningKey | None, place: int) -> None:
    path = room / "data/leaves.jsonl"
    index = json.loads(path.read_bytes().splitlines()[place])["index"]
    edit_lines(path, lambda lines: lines[:place] + lines[place + 1 :])
    reseal(room, key)
    assert first_bad(room, bags.trust) == index


def test_leaves_of_a_room_in_another_order_fail(bags: Bags, room: Path) -> None:
    edit_lines(room / "data/leaves.jsonl", lambda lines: [lines[1], lines[0], *lines[2:]])
    reseal(room, EXPORT_KEY)
    assert first_bad(room, bags.trust) == 1


def test_a_leaf_of_another_room_does_not_belong_in_the_bag(bags: Bags, room: Path) -> None:
    index = next(i for i, leaf in enumerate(bags.log.leaves) if b'"case":"y"' in leaf)
    proof = [value.hex() for value in TreeHasher(bags.log.hashes).inclusion(index, len(bags.log.leaves))]
    row = {"index": index, "leaf": base64.b64encode(bags.log.leaves[index]).decode(), "proof": proof}
    edit_rows(room / "data/leaves.jsonl", lambda rows: sorted([*rows, row], key=lambda r: r["index"]))
    edit_rows(room / "data/scope.json", lambda rows: [{**rows[0], "counts": {**rows[0]["counts"], "leaves": 21}}])
    reseal(room, EXPORT_KEY)
    assert first_bad(room, bags.trust) == index


@pytest.mark.parametrize("name", ["room", "whole"])
def test_rewritten_leaves_with_rewritten_hashes_do_not_lead_to_the_signed_root(
    bags: Bags, tmp_path: Path, name: str
) -> None:
    forged = story()
    forged.leaves[5] = forged.leaves[5].replace(b"allow", b"block")
    contents = {"room": room_contents, "whole": log_contents}[name](forged, checkpoint=bags.log.note())
    write_bag(tmp_path / "forged", contents, EXPORT_KEY)
    assert first_bad(tmp_path / "forged", bags.trust) == 5


def test_a_false_hash_list_is_told_from_a_false_leaf(bags: Bags, whole: Path) -> None:
    edit_lines(whole / "data/leaf-hashes.txt", lambda lines: [*lines[:6], b"0" * 64, *lines[7:]])
    reseal(whole, EXPORT_KEY)
    done = check(whole, bags.trust)
    assert done.problems == ["line 6 of leaf-hashes.txt is not the hash of its leaf"]


# --- signed by the wrong key, cut, forked ---


def test_a_bag_signed_with_another_key_fails(bags: Bags, room: Path, tmp_path: Path) -> None:
    reseal(room, ATTACKER_KEY)
    assert not check(room, bags.trust).ok
    write_bag(tmp_path / "foreign", room_contents(bags.log), LOG_KEY)
    assert not check(tmp_path / "foreign", bags.trust).ok


def test_a_checkpoint_signed_with_another_key_fails(bags: Bags, tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    contents = room_contents(bags.log, checkpoint=bags.log.note(key=SigningKey(ORIGIN, private)))
    write_bag(tmp_path / "bag", contents, EXPORT_KEY)
    assert not check(tmp_path / "bag", bags.trust).ok


def test_a_true_checkpoint_of_another_log_fails(bags: Bags, tmp_path: Path) -> None:
    text = bags.log.note().partition("\n\n")[0].replace(ORIGIN, "other.example/log") + "\n"
    write_bag(tmp_path / "bag", room_contents(bags.log, checkpoint=LOG_KEY.sign(text)), EXPORT_KEY)
    assert not check(tmp_path / "bag", bags.trust).ok


@pytest.mark.parametrize("contents", [room_contents, log_contents])
def test_a_cut_tail_fails_against_the_newest_head_and_would_pass_without_it(
    bags: Bags, tmp_path: Path, contents: Callable[..., Any]
) -> None:
    longer = story()
    longer.add("log.heartbeat", "log", size=1)
    bag = tmp_path / "cut"
    write_bag(bag, contents(bags.log), EXPORT_KEY)
    assert check(bag, trust_file(tmp_path / "forgetful.json")).ok
    assert first_bad(bag, trust_file(tmp_path / "t.json", longer.note())) == 27


@pytest.mark.parametrize("contents", [room_contents, log_contents])
def test_history_rewritten_with_the_real_keys_fails_against_the_newest_head(
    bags: Bags, tmp_path: Path, contents: Callable[..., Any]
) -> None:
    honest = bags.log.note(12)
    forked = story()
    forked.leaves[0] = forked.leaves[0].replace(b'"k":"system"', b'"k":"agent"')
    fresh = story()
    fresh.leaves, fresh.heads = [], {}
    fresh.add("log.started", "log", origin="another beginning")
    for leaf in forked.leaves[1:]:
        body = json.loads(leaf)
        fresh.add(body["t"], body["stream"], (body["actor"]["k"], body["actor"]["id"]), **_moved(fresh, body))
    write_bag(tmp_path / "forked", contents(fresh), EXPORT_KEY)
    assert check(tmp_path / "forked", trust_file(tmp_path / "forgetful.json")).ok
    done = check(tmp_path / "forked", trust_file(tmp_path / "t.json", honest))
    assert [problem for problem in done.problems if "rewritten" in problem]


def _moved(log: Any, body: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = body["data"]
    return {**data, "streams": log.listed([entry[0] for entry in data["streams"]])} if "streams" in data else data


def test_a_checkpoint_that_does_not_cover_the_export_fails(bags: Bags, room: Path) -> None:
    (room / "data/checkpoint").write_text(bags.log.note(15), "utf-8")
    edit_lines(room / "data/leaf-hashes.txt", lambda lines: lines[:15])
    reseal(room, EXPORT_KEY)
    assert first_bad(room, bags.trust) is not None
