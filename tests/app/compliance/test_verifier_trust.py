"""The verifier believes only a trust file that came another way, and never forgets the newest head it saw."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.compliance import verifier
from tests.support.evidence_samples import (
    ATTACKER_KEY,
    LOG_KEY,
    ORIGIN,
    Bags,
    check,
    make_bags,
    story,
    trust_file,
)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Bags:
    return make_bags(tmp_path_factory.mktemp("bags"))


@pytest.fixture
def room(bags: Bags, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bags.room, tmp_path / "room"))


def run(*argv: object) -> int:
    return verifier.main([str(word) for word in argv])


def test_update_trust_remembers_the_newer_head_and_never_an_older_one(bags: Bags, room: Path, tmp_path: Path) -> None:
    trust = trust_file(tmp_path / "t.json", bags.log.note(12))
    assert run(room, "--trust", trust, "--update-trust") == 0
    assert json.loads(trust.read_text())["newest_checkpoint"] == bags.log.note()
    longer = story()
    longer.add("log.heartbeat", "log", size=1)
    trust = trust_file(tmp_path / "t.json", longer.note())
    assert run(room, "--trust", trust, "--update-trust") == 1
    assert json.loads(trust.read_text())["newest_checkpoint"] == longer.note()


def test_a_failed_check_leaves_the_trust_file_alone(bags: Bags, room: Path, tmp_path: Path) -> None:
    trust = trust_file(tmp_path / "t.json")
    before = trust.read_bytes()
    (room / "README.txt").write_text("hello")
    assert run(room, "--trust", trust, "--update-trust") == 1
    assert trust.read_bytes() == before


def test_wrong_use_exits_2_and_says_why(
    bags: Bags, room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 2
    assert run(room) == 2
    assert run(tmp_path / "nowhere", "--trust", bags.trust) == 2
    assert run(room, "--trust", tmp_path / "nowhere.json") == 2
    assert run(room, "--trust", trust_file(room / "trust.json")) == 2
    assert "inside the bag" in capsys.readouterr().out
    assert run(room, "--trust", trust_file(room / "data" / "trust.json"), "--json") == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert run("--help") == 0


def test_a_trust_file_in_the_bag_fails_the_bag_too(bags: Bags, room: Path) -> None:
    shutil.copy(bags.trust, room / "trust.json")
    done = check(room, bags.trust)
    assert done.problems == ["trust.json does not belong in a bag"]


def test_a_link_to_a_trust_file_in_the_bag_is_seen_through(room: Path, tmp_path: Path) -> None:
    trust_file(room / "trust.json")
    (tmp_path / "link.json").symlink_to(room / "trust.json")
    assert run(room, "--trust", tmp_path / "link.json") == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"origin": ""},
        {"log_keys": []},
        {"export_keys": []},
        {"export_keys": [LOG_KEY.vkey()]},
        {"log_keys": [5]},
        {"log_keys": [LOG_KEY.vkey()[:-2] + "A="]},
        {"log_keys": ["x+00000000+AQ=="]},
        {"newest_checkpoint": "hello"},
        {"newest_checkpoint": ATTACKER_KEY.sign(f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")},
        {"extra": 1},
    ],
)
def test_a_trust_file_that_is_not_whole_is_wrong_use(room: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    assert run(room, "--trust", trust_file(tmp_path / "t.json", **changes)) == 2


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"version":1,"version":1}'])
def test_a_trust_file_that_cannot_be_read_is_wrong_use(room: Path, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.json").write_bytes(raw)
    assert run(room, "--trust", tmp_path / "t.json") == 2


def test_text_from_a_hostile_bag_cannot_steer_the_terminal(
    bags: Bags, room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (room / "evil\x1b[2J\u202e").write_text("x")
    assert run(room, "--trust", bags.trust) == 1
    assert capsys.readouterr().out.replace("\n", "").isprintable()
