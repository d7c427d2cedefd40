"""`guard`, `verify`, `demo`: what needs no installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.command_line import CommandLine, one_line, own_process
from tests.support.evidence_samples import Bags, edit_lines, make_bags


@pytest.fixture
def riserbo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def bags(tmp_path: Path) -> Bags:
    return make_bags(tmp_path)


def test_guard_answers_each_line_of_a_file(tmp_path: Path, riserbo: CommandLine) -> None:
    texts = tmp_path / "texts"
    texts.write_bytes(
        "Ciao Giulia, ci scriva in privato.\nIT60X0542811101000000123456\n\nrotto \xff\n".encode("latin-1")
    )
    done = riserbo("guard", texts)
    assert done.status == 0
    verdicts = [json.loads(line)["verdict"] for line in done.out.splitlines()]
    assert verdicts == ["allow", "block", "allow", "allow"]


def test_guard_reads_the_standard_input_and_can_fail_on_a_block() -> None:
    text = b"IBAN IT60X0542811101000000123456\n"
    assert own_process("guard", stdin=text).status == 0
    blocked = own_process("guard", "-", "--fail-on-block", stdin=text)
    assert blocked.status == 1
    assert json.loads(blocked.out)["verdict"] == "block"
    assert own_process("guard", "-", "--fail-on-block", stdin=b"Ciao\n").status == 0


def test_guard_without_its_file_is_wrong_use(tmp_path: Path, riserbo: CommandLine) -> None:
    done = riserbo("guard", tmp_path / "nothing")
    assert done.status == 2
    one_line(done, "nothing")


def test_verify_holds_fails_or_is_wrongly_used(bags: Bags, riserbo: CommandLine) -> None:
    assert riserbo("verify", bags.room, "--trust", bags.trust).status == 0
    assert riserbo("verify", bags.whole, "--trust", bags.trust, "--json").status == 0
    edit_lines(bags.whole / "data" / "leaves.jsonl", lambda lines: [*lines[:3], *lines[4:]])
    failed = riserbo("verify", bags.whole, "--trust", bags.trust, "--json")
    assert failed.status == 1
    assert json.loads(failed.out)["first_bad_index"] == 3
    assert riserbo("verify", bags.room).status == 2
    assert riserbo("verify", bags.room, "--trust", bags.room.parent / "no-such-file").status == 2


def test_verify_needs_neither_settings_nor_databases(bags: Bags, tmp_path: Path) -> None:
    environment = {"RISERBO_DATABASE_URL": "postgresql+psycopg://nobody@nowhere/none", "RISERBO_BANK": ""}
    done = own_process("verify", bags.room, "--trust", bags.trust, more=environment)
    assert done.status == 0, done.err


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "bank.example"])
def test_the_demo_never_listens_beyond_loopback(riserbo: CommandLine, address: str) -> None:
    done = riserbo("demo", "--listen", address)
    assert done.status == 2
    one_line(done, "loopback")


def test_who_writes_first_is_seen_by_hand(riserbo: CommandLine) -> None:
    done = riserbo("demo", "--headless", "--write-first")
    assert done.status == 2
    one_line(done, "--write-first")


def test_only_the_headless_story_leaves_a_bag(tmp_path: Path, riserbo: CommandLine) -> None:
    done = riserbo("demo", "--keep", tmp_path)
    assert done.status == 2
    one_line(done, "--headless")


@pytest.mark.parametrize("arguments", [("nonsense",), ("serve", "--nonsense"), ("demo", "extra")])
def test_nonsense_is_wrong_use(riserbo: CommandLine, arguments: tuple[str, ...]) -> None:
    done = riserbo(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.err


def test_every_verb_of_the_design_is_there(riserbo: CommandLine) -> None:
    shown = riserbo("--help").out
    verbs = ["demo", "init", "serve", "worker", "migrate", "doctor", "keys", "agents", "guard", "export", "verify"]
    verbs += ["bench"]
    assert [verb for verb in verbs if f" {verb} " not in shown] == []
