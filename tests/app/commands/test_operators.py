"""`keys`, `agents`, `export`: what an operator does to an installation, with leaves in the own name."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp

from app import key_files
from app.agents import service as agents
from app.agents.service import Credentials
from app.commands import operating
from app.main import Installation, assemble, outbound_from, parts_from
from app.sessions import rules
from app.settings import load_settings
from security.envelope import Place, seal
from tests.app.command_line import CommandLine, Ended, one_line, own_process
from tests.app.commands.made_bank import PASSWORD, leaves_of


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
    found = [(leaf["t"], leaf["actor"], leaf["stream"]) for leaf in leaves_of(bank, riserbo)][-3:]
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
    acts = [leaf["t"] for leaf in leaves_of(bank, riserbo) if leaf["actor"]["k"] == "operator"]  # type: ignore[index]
    assert acts == ["staff.added", "staff.added", "staff.deactivated", "audit.read"]


def test_a_reset_shows_a_new_password_and_authenticator_once(bank: Path, riserbo: CommandLine) -> None:
    assert _hire(riserbo, bank, "olga", "compliance").status == 0
    done = riserbo("agents", "reset", "olga", "--dir", bank)
    assert done.status == 0, done.err
    shown = dict(line.split()[:2] for line in done.out.splitlines() if line.startswith("  "))
    assert len(shown["password"]) == 20
    assert shown["authenticator"].startswith("otpauth://totp/")
    assert leaves_of(bank, riserbo)[-1]["t"] == "staff.reset"
    one_line(riserbo("agents", "reset", "nobody", "--dir", bank), "no account named")
    assert riserbo("agents", "deactivate", "olga", "--dir", bank).status == 0
    one_line(riserbo("agents", "reset", "olga", "--dir", bank), "has left")


def test_an_account_that_cannot_be_is_refused_in_a_line(bank: Path, riserbo: CommandLine) -> None:
    one_line(_hire(riserbo, bank, "ada", "agent"), "already")
    one_line(_hire(riserbo, bank, "eva", "emperor"), "no role emperor")
    one_line(riserbo("agents", "deactivate", "nobody", "--dir", bank), "no account named nobody")


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
    assert "export.refused" in [leaf["t"] for leaf in leaves_of(bank, riserbo)]
