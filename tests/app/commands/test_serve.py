"""`serve`: from its start, or its refusal to start, to a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from app import key_files
from app.binding.identity_provider import OfferedProvider
from app.main import NotReady, check_ready, outbound_from, parts_from
from app.permissions import Level
from app.settings import load_settings
from security.encoding import b64url
from tests.app.command_line import PROGRAM, CommandLine, one_line, own_process
from tests.app.commands.made_bank import BANK, settings_line
from tests.architecture.sources import ROOT
from tests.support.ports import free_port


@pytest.fixture
def served(bank: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """`riserbo serve`, ready, with its addresses."""
    names = ("public", "staff", "admin")
    listen = {name: f"127.0.0.1:{free_port()}" for name in names}
    for number, name in enumerate(names):
        settings_line(bank, f'"127.0.0.1:860{number}"', f'"{listen[name]}"')
    process = subprocess.Popen([*PROGRAM, "serve", "--dir", str(bank)], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        _wait_for(lambda: httpx2.get(f"http://{listen['admin']}/livez").status_code == 200, process)
        yield process, listen
    finally:
        process.kill()
        process.communicate(timeout=10)


def _wait_for(holds: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        try:
            if holds():
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail("it did not come up")


def test_serve_answers_survives_a_rotation_and_stops_on_a_signal(
    served: tuple[subprocess.Popen[bytes], dict[str, str]], bank: Path
) -> None:
    process, listen = served
    ready = f"http://{listen['admin']}/readyz"
    assert httpx2.get(ready).json() == {"ready": True, "findings": []}
    at_home = {"Host": urlsplit(BANK.public_url).netloc}
    assert httpx2.get(f"http://{listen['public']}/verify", headers=at_home).status_code == 200
    assert httpx2.get(f"http://{listen['public']}/verify", headers={"Host": "elsewhere.example"}).status_code >= 400
    staff = {"Host": urlsplit(BANK.staff_url).netloc}
    assert httpx2.get(f"http://{listen['staff']}/api/v1/cases", headers=staff).status_code == 401
    rotated = own_process("keys", "rotate", "--dir", bank)
    assert rotated.status == 0, rotated.err
    assert httpx2.get(ready).status_code == 200
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # two seconds of a machine of its own
    assert time.monotonic() - begun < 2 * crowded


@pytest.mark.parametrize("part", ["public", "staff", "worker"])
def test_a_role_opens_its_own_doors_only(bank: Path, part: str) -> None:
    from app.commands.serving import _DOORS, Part

    names = _DOORS[Part(part)]
    assert "admin" in names
    assert set(names) - {"admin"} == ({part} if part != "worker" else set())


def _damage_demo(bank: Path) -> None:
    file = bank / "keys" / key_files.KEK_FILE
    file.unlink()
    key_files.make_kek_file(file, demo=True)


def _damage_weak(bank: Path) -> None:
    file = bank / "keys" / key_files.KEK_FILE
    file.write_text(json.dumps({"current": 1, "keys": {"1": b64url(bytes(32))}, "demo": False}))


def _damage_mode(bank: Path) -> None:
    (bank / "keys" / key_files.LOG_KEY_FILE).chmod(0o644)


def _damage_missing(bank: Path) -> None:
    (bank / "keys" / key_files.EXPORT_KEY_FILE).unlink()


def _damage_plain(bank: Path) -> None:
    settings_line(bank, 'public_url = "https://', 'public_url = "http://')


def _damage_schema(bank: Path) -> None:
    (bank / "riserbo.db").unlink()


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (_damage_demo, "made for the demonstration"),
        (_damage_weak, "weak"),
        (_damage_mode, "read by others"),
        (_damage_missing, "missing"),
        (_damage_plain, "https://"),
        (_damage_schema, "riserbo migrate"),
    ],
)
def test_start_up_refuses(bank: Path, riserbo: CommandLine, damage: Callable[[Path], None], word: str) -> None:
    damage(bank)
    done = riserbo("serve", "--dir", bank)
    assert done.status == 1
    one_line(done, word)


def test_start_up_refuses_a_stub_outside_the_demo(bank: Path) -> None:
    from dataclasses import replace

    settings = load_settings(bank)
    parts = parts_from(settings, outbound_from(settings))
    stub = OfferedProvider("demo-id", "Demo ID", None, {"acr": Level.L3}, is_stub=True)  # type: ignore[arg-type]
    check_ready(settings, parts)
    with pytest.raises(NotReady, match="stub"):
        check_ready(settings, replace(parts, providers=(stub,)))


def test_wrong_settings_are_named_without_their_values(bank: Path, riserbo: CommandLine) -> None:
    settings_line(bank, "first_answer_minutes = 60", 'first_answer_minutes = "a secret value"')
    done = riserbo("serve", "--dir", bank)
    assert done.status == 2
    one_line(done, "first_answer_minutes")
    assert "a secret value" not in done.err


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("doctor",), ("migrate",), ("keys", "list")])
def test_no_installation_no_command(tmp_path: Path, riserbo: CommandLine, command: tuple[str, ...]) -> None:
    done = riserbo(*command, "--dir", tmp_path)
    assert done.status == 2
    one_line(done, "riserbo init")
