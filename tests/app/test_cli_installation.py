"""`init`, `serve`, `keys`, `agents`, `export`: a persistent installation, from its first second to a signal."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyotp
import pytest

from app import key_files
from app.agents import service as agents
from app.agents.service import Credentials
from app.binding.identity_provider import OfferedProvider
from app.commands import operating
from app.initialising import NewBank, initialise
from app.main import Installation, NotReady, assemble, check_ready, outbound_from, parts_from
from app.permissions import Level
from app.sessions import rules
from app.settings import load_settings
from security.encoding import b64url
from security.envelope import Place, seal
from tests.app.command_line import PROGRAM, CommandLine, Ended, one_line, own_process
from tests.architecture.sources import ROOT
from tests.support.ports import free_port

PASSWORD = "correct horse battery staple"
BANK = NewBank(
    bank='Banca "Esempio" ø',
    public_url="https://aiuto.bancaesempio.example",
    staff_url="https://staff.bancaesempio.example",
    phone="+39 02 000000",
    hours_it="lun-ven",
    hours_en="Mon-Fri",
    privacy_contact="privacy@bancaesempio.example",
    admin_login="ada",
    admin_name="Ada",
)
INIT = [
    *("--bank", BANK.bank, "--public-url", BANK.public_url, "--staff-url", BANK.staff_url),
    *("--phone", BANK.phone, "--privacy-contact", BANK.privacy_contact),
]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bank"
    asyncio.run(initialise(folder, BANK, operating.operator(), PASSWORD))
    return folder


@pytest.fixture
def bank(made_once: Path, tmp_path: Path) -> Path:
    """An installation as `init` leaves it."""
    return Path(shutil.copytree(made_once, tmp_path / "bank"))


@pytest.fixture
def riserbo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def _settings_line(bank: Path, old: str, new: str) -> None:
    file = bank / "riserbo.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def _leaves(bank: Path, riserbo: CommandLine) -> list[dict[str, object]]:
    import sqlite3

    with sqlite3.connect(bank / "riserbo.db") as connection:
        rows = connection.execute("SELECT leaf FROM audit_leaves ORDER BY stage_no").fetchall()
    connection.close()
    return [json.loads(row[0]) for row in rows]


# --- init


def test_init_makes_a_private_installation_that_says_its_secrets_once(tmp_path: Path, riserbo: CommandLine) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    done = riserbo("init", tmp_path / "new", *INIT, "--password-file", tmp_path / "password")
    assert done.status == 0, done.err
    folder = tmp_path / "new"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(not file.stat().st_mode & 0o077 for file in (folder / "keys").iterdir())
    settings = load_settings(folder)
    assert (settings.bank, settings.public_url, settings.origin) == (
        BANK.bank,
        BANK.public_url,
        "aiuto.bancaesempio.example/log",
    )
    assert PASSWORD not in done.out
    uri = next(word for word in done.out.split() if word.startswith("otpauth://"))
    secret = parse_qs(urlsplit(uri).query)["secret"][0]
    everything = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert secret.encode() not in everything
    assert PASSWORD.encode() not in everything


def test_init_makes_a_password_where_nobody_can_type_one(tmp_path: Path) -> None:
    done = own_process("init", tmp_path / "new", *INIT)
    assert done.status == 0, done.err
    password = next(line.split()[1] for line in done.out.splitlines() if line.strip().startswith("password"))
    assert len(password) >= agents.SHORTEST_PASSWORD


def test_init_never_touches_a_folder_in_use(bank: Path, riserbo: CommandLine) -> None:
    before = (bank / "keys" / key_files.KEK_FILE).read_bytes()
    done = riserbo("init", bank, *INIT, "--password-file", _password_file(bank.parent))
    assert done.status == 2
    one_line(done, "not empty")
    assert (bank / "keys" / key_files.KEK_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--public-url", "http://aiuto.bancaesempio.example", "https://"),
        ("--public-url", "https://aiuto.bancaesempio.example/chat", "public_url"),
        ("--bank", "B", "bank"),
        ("--password-file", "short", "15 characters"),
    ],
)
def test_init_that_is_refused_leaves_nothing(
    tmp_path: Path, riserbo: CommandLine, option: str, value: str, word: str
) -> None:
    arguments = dict(zip(INIT[::2], INIT[1::2], strict=True)) | {"--password-file": str(_password_file(tmp_path))}
    if value == "short":
        value = str(_password_file(tmp_path, "short"))
    flat = [part for pair in (arguments | {option: value}).items() for part in pair]
    done = riserbo("init", tmp_path / "new", *flat)
    assert done.status in (1, 2)
    one_line(done, word)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_the_trust_file_knows_the_log_but_no_secret(bank: Path) -> None:
    trust = json.loads((bank / "trust.json").read_text())
    settings = load_settings(bank)
    log = key_files.read_signing_key(settings.keys / key_files.LOG_KEY_FILE)
    assert trust["log_keys"] == [log.vkey()]
    assert trust["newest_checkpoint"].startswith(settings.origin)
    seeds = [json.loads(file.read_text()).get("seed", "none") for file in settings.keys.glob("*signing-key.json")]
    assert all(seed not in (bank / "trust.json").read_text() for seed in seeds)


# --- serve


@pytest.fixture
def served(bank: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """`riserbo serve`, ready, with its addresses."""
    names = ("public", "staff", "admin")
    listen = {name: f"127.0.0.1:{free_port()}" for name in names}
    for number, name in enumerate(names):
        _settings_line(bank, f'"127.0.0.1:860{number}"', f'"{listen[name]}"')
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
    _settings_line(bank, 'public_url = "https://', 'public_url = "http://')


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
    _settings_line(bank, "first_answer_minutes = 60", 'first_answer_minutes = "a secret value"')
    done = riserbo("serve", "--dir", bank)
    assert done.status == 2
    one_line(done, "first_answer_minutes")
    assert "a secret value" not in done.err


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("doctor",), ("migrate",), ("keys", "list")])
def test_no_installation_no_command(tmp_path: Path, riserbo: CommandLine, command: tuple[str, ...]) -> None:
    done = riserbo(*command, "--dir", tmp_path)
    assert done.status == 2
    one_line(done, "riserbo init")


# --- keys


def test_a_rotation_while_serving_keeps_every_sealed_value_readable(bank: Path) -> None:
    now = [datetime.now(UTC)]

    async def serve_and_rotate() -> bytes:
        settings = load_settings(bank)
        outbound = outbound_from(settings)
        house = await assemble(settings, outbound=outbound, parts=parts_from(settings, outbound), clock=lambda: now[0])
        place = Place("samples", "text", "1")
        sealed = seal(await house.services.vault.create_key("case"), place, b"bollo")
        rotated = await asyncio.to_thread(own_process, "keys", "rotate", "--dir", bank)
        assert rotated.status == 0, rotated.err
        now[0] += timedelta(minutes=6)  # what was unwrapped before is forgotten
        _forget_version(bank, "1")  # what still needed the old key would be lost
        now_made = seal(await house.services.vault.create_key("case"), place, b"due volte")
        opened = await house.services.vault.open(place, sealed)
        assert await house.services.vault.open(place, now_made) == b"due volte"
        await house.close()
        return opened

    assert asyncio.run(serve_and_rotate()) == b"bollo"


def _forget_version(bank: Path, version: str) -> None:
    file = bank / "keys" / key_files.KEK_FILE
    document = json.loads(file.read_text())
    del document["keys"][version]
    file.write_text(json.dumps(document))


def test_key_commands_leave_leaves_in_the_operators_name(bank: Path, riserbo: CommandLine) -> None:
    assert riserbo("keys", "rotate", "--dir", bank).status == 0
    assert riserbo("keys", "rewrap", "--dir", bank).status == 0
    told = riserbo("keys", "list", "--dir", bank).out
    assert "version 2   current" in told
    name = operating.operator().os_user
    found = [(leaf["t"], leaf["actor"], leaf["stream"]) for leaf in _leaves(bank, riserbo)][-3:]
    actor = {"k": "operator", "id": name}
    assert found == [
        ("key.rotated", actor, "log"),
        ("keys.rewrapped", actor, "log"),
        ("keys.rewrapped", actor, "log"),
    ]


def test_a_lost_key_is_told_in_a_line(bank: Path, riserbo: CommandLine) -> None:
    (bank / "keys" / key_files.KEK_FILE).unlink()
    key_files.make_kek_file(bank / "keys" / key_files.KEK_FILE)
    one_line(riserbo("keys", "rotate", "--dir", bank), "does not open")


# --- agents


def _password_file(folder: Path, password: str = PASSWORD) -> Path:
    file = folder / f"password-{len(password)}"
    file.write_text(password)
    return file


def _hire(riserbo: CommandLine, bank: Path, login: str, role: str) -> Ended:
    password = _password_file(bank.parent)
    return riserbo(
        "agents",
        "add",
        "--dir",
        bank,
        "--login",
        login,
        "--name",
        "Olga N",
        "--role",
        role,
        "--password-file",
        password,
    )


def test_accounts_come_and_go_with_leaves_in_the_operators_name(bank: Path, riserbo: CommandLine) -> None:
    assert _hire(riserbo, bank, "olga", "compliance").status == 0
    assert riserbo("agents", "deactivate", "olga", "--dir", bank).status == 0
    listed = riserbo("agents", "list", "--dir", bank).out.splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["ada", "administrator", "active"],
        ["olga", "compliance", "ended"],
    ]
    acts = [leaf["t"] for leaf in _leaves(bank, riserbo) if leaf["actor"]["k"] == "operator"]  # type: ignore[index]
    assert acts == ["staff.added", "staff.added", "staff.deactivated", "audit.read"]


def test_an_account_that_cannot_be_is_refused_in_a_line(bank: Path, riserbo: CommandLine) -> None:
    one_line(_hire(riserbo, bank, "ada", "agent"), "already")
    one_line(_hire(riserbo, bank, "eva", "emperor"), "no role emperor")
    one_line(riserbo("agents", "deactivate", "nobody", "--dir", bank), "no account named nobody")


# --- export


def _token(bank: Path, login: str, uri: str) -> str:
    settings = load_settings(bank)
    code = pyotp.parse_uri(uri).now()  # type: ignore[union-attr]

    async def sign_in(house: Installation) -> str:
        started = await agents.sign_in(house.services, Credentials(login, PASSWORD, code), kind=rules.API)
        return started.token

    async def run() -> str:
        async with operating.opened(settings) as house:
            return await sign_in(house)

    return asyncio.run(run())


def _uri(done: Ended) -> str:
    return next(word for word in done.out.split() if word.startswith("otpauth://"))


def test_an_officers_export_verifies_and_a_changed_one_does_not(
    bank: Path, riserbo: CommandLine, tmp_path: Path
) -> None:
    token = _token(bank, "olga", _uri(_hire(riserbo, bank, "olga", "compliance")))
    (tmp_path / "token").write_text(token)
    bag = tmp_path / "bag.zip"
    asked = ("export", "--dir", bank, "--scope", "log", "--reason", "yearly review", "--with-worker", "--out", bag)
    done = riserbo(*asked, "--token-file", tmp_path / "token")
    assert done.status == 0, done.err
    assert bag.stat().st_mode & 0o777 == 0o600
    held = riserbo("verify", bag, "--trust", bank / "trust.json", "--json")
    assert held.status == 0, held.out
    assert json.loads(held.out)["ok"] is True
    assert riserbo(*asked, "--token-file", tmp_path / "token").status == 2  # never over another bag
    content = bytearray(bag.read_bytes())
    at = content.index(b"log.started")
    content[at] ^= 1
    bag.write_bytes(content)
    assert riserbo("verify", bag, "--trust", bank / "trust.json").status == 1


def test_only_an_officers_token_exports(bank: Path, riserbo: CommandLine, tmp_path: Path) -> None:
    asked = ("export", "--dir", bank, "--scope", "log", "--reason", "curiosity", "--out", tmp_path / "bag.zip")
    done = riserbo(*asked)
    assert done.status == 2
    one_line(done, "RISERBO_TOKEN")
    (tmp_path / "token").write_text("A" * 43)
    assert riserbo(*asked, "--token-file", tmp_path / "token").status == 1
    (tmp_path / "token").write_text(_token(bank, "anna", _uri(_hire(riserbo, bank, "anna", "agent"))))
    refused = riserbo(*asked, "--token-file", tmp_path / "token")
    assert refused.status == 1
    one_line(refused, "compliance officer")
    assert not (tmp_path / "bag.zip").exists()
    assert "export.refused" in [leaf["t"] for leaf in _leaves(bank, riserbo)]


# --- migrate


def test_migrate_says_what_it_did_and_check_changes_nothing(bank: Path, riserbo: CommandLine) -> None:
    assert riserbo("migrate", "--dir", bank, "--check").status == 0
    back = riserbo("migrate", "--dir", bank, "--to", "0005")
    assert back.status == 2
    one_line(back, "--allow-loss")
    assert riserbo("migrate", "--dir", bank, "--to", "0005", "--allow-loss").status == 0
    assert riserbo("migrate", "--dir", bank, "--check").status == 1
    assert "0005 -> " in riserbo("migrate", "--dir", bank).out
    assert riserbo("migrate", "--dir", bank, "--check").status == 0
    unknown = riserbo("migrate", "--dir", bank, "--to", "7777", "--allow-loss")
    assert unknown.status == 1
    one_line(unknown, "7777")
