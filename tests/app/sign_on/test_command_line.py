"""`riserbo agents` for who signs in elsewhere: accounts without a password, break-glass, the provisioning client's token."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from app import key_files
from app.checks import staff
from app.checks.finding import Colour
from app.commands import operating
from app.initialising import NewBank, initialise
from app.settings import load_settings
from app.staff_parts import local_sign_in, provisioning_ports, sign_on_ports
from tests.app.command_line import CommandLine, one_line

PASSWORD: Final = "correct horse battery staple"
BANK: Final = NewBank(
    bank="Banca Esempio",
    public_url="https://aiuto.bancaesempio.example",
    staff_url="https://desk.bancaesempio.example",
    phone="+39 02 000000",
    hours_it="lun-ven",
    hours_en="Mon-Fri",
    privacy_contact="privacy@bancaesempio.example",
    admin_login="ada",
    admin_name="Ada",
)
MAIL: Final = """
[mail]
host = "mail.bank.example"
sender = "x@bank.example"
"""
SIGN_ON: Final = """
[staff_sign_on]
label = "Banca Esempio ID"
issuer = "https://login.bank.example"
client_id = "riserbo"
key_file = "keys/desk.json"
break_glass = true
break_glass_mail = "compliance@bank.example"
"""


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


def settle(bank: Path, text: str) -> None:
    """Settings more."""
    with (bank / "riserbo.toml").open("a", encoding="utf-8") as file:
        file.write(text)


def leaves(bank: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(bank / "riserbo.db")
    rows = connection.execute("SELECT leaf FROM audit_leaves ORDER BY stage_no").fetchall()
    connection.close()
    return [json.loads(row[0]) for row in rows]


def test_an_account_for_somebody_who_signs_in_elsewhere_has_no_password(bank: Path, riserbo: CommandLine) -> None:
    done = riserbo(
        *("agents", "add", "--dir", bank, "--login", "Olga.N", "--name", "Olga N", "--role", "compliance"),
        "--elsewhere",
    )
    assert (done.status, "otpauth" in done.out) == (0, False)
    connection = sqlite3.connect(bank / "riserbo.db")
    row = connection.execute(
        "SELECT login, role, password_hash FROM staff_accounts WHERE login LIKE 'olga%'"
    ).fetchone()
    connection.close()
    assert row == ("olga.n", "compliance", "")


def test_break_glass_is_opened_and_closed_by_an_operator(bank: Path, riserbo: CommandLine) -> None:
    one_line(riserbo("agents", "break-glass", "ada", "--dir", bank), "it is off")
    settle(bank, MAIL + SIGN_ON)
    key_files.make_client_key_file(bank / "keys" / "desk.json")
    one_line(riserbo("agents", "break-glass", "nobody", "--dir", bank), "no account named nobody")
    one_line(riserbo("agents", "break-glass", "ada", "--close", "--dir", bank), "never opened")
    done = riserbo("agents", "break-glass", "ada", "--hours", "2", "--dir", bank)
    assert (done.status, "until" in done.out) == (0, True)
    assert riserbo("agents", "break-glass", "ada", "--close", "--dir", bank).status == 0
    told = [leaf for leaf in leaves(bank) if leaf["t"].startswith("break_glass.")]
    assert [leaf["t"] for leaf in told] == ["break_glass.opened", "break_glass.closed"]
    assert {leaf["actor"]["k"] for leaf in told} == {"operator"}


def test_the_provisioning_clients_token_is_shown_once_and_kept_as_a_hash(bank: Path, riserbo: CommandLine) -> None:
    one_line(riserbo("agents", "scim-token", "--dir", bank), "no token_file")
    settle(bank, '\n[scim]\ntoken_file = "keys/scim.json"\n[scim.roles]\n"Desk" = "agent"\n')
    first = riserbo("agents", "scim-token", "--dir", bank).out.strip()
    second = riserbo("agents", "scim-token", "--dir", bank).out.strip()
    ports = provisioning_ports(load_settings(bank))
    assert [ports.knows(one) for one in (first, second, "")] == [False, True, False]
    file = bank / "keys" / "scim.json"
    assert second not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text('{"sha256": "00"}')
    with pytest.raises(key_files.KeyFileRefused, match="scim-token"):
        provisioning_ports(load_settings(bank))


def test_passwords_are_sealed_as_soon_as_the_provider_is_set(bank: Path) -> None:
    assert local_sign_in(load_settings(bank)).sealed is False
    settle(bank, MAIL + SIGN_ON)
    key_files.make_client_key_file(bank / "keys" / "desk.json")
    settings = load_settings(bank)
    local = local_sign_in(settings)
    assert (local.sealed, local.tell) == (True, "compliance@bank.example")
    ports = sign_on_ports(settings, None)  # type: ignore[arg-type]
    assert ports is not None
    assert ports.redirect_uri == "https://desk.bancaesempio.example/signin/return"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (SIGN_ON, "break_glass needs"),
        (MAIL + SIGN_ON.replace("https:", "http:"), "an address like"),
        (MAIL + SIGN_ON.replace('key_file = "keys/desk.json"', ""), "one of them"),
        (MAIL + SIGN_ON + "create_accounts = true", "needs roles"),
        (MAIL + SIGN_ON.replace('break_glass_mail = "compliance@bank.example"', ""), "who hears of each use"),
        (MAIL + SIGN_ON + '[staff_sign_on.roles]\n"Desk" = "machine"', "roles"),
        ('\n[scim.roles]\n"Desk" = "emperor"', "roles"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bank: Path, more: str, why: str) -> None:
    settle(bank, more)
    with pytest.raises(ValidationError, match=why):
        load_settings(bank)


def test_the_doctor_says_how_staff_comes_in(bank: Path) -> None:
    now = datetime.now(UTC)
    here = asyncio.run(staff.sign_in(load_settings(bank), now))
    assert [one.colour for one in here] == [Colour.GREEN]
    settle(bank, MAIL + SIGN_ON)
    key_files.make_client_key_file(bank / "keys" / "desk.json")
    away = load_settings(bank).model_copy(update={"internal_hosts": {"login.bank.example": "127.0.0.1:1"}})
    told = asyncio.run(staff.sign_in(away, now))
    assert [one.colour for one in told] == [Colour.RED, Colour.YELLOW, Colour.GREEN]
    assert "cannot be reached" in told[0].text


def test_the_doctor_says_what_provisioning_can_give(bank: Path) -> None:
    assert staff.provisioning(load_settings(bank)) == []
    settle(bank, '\n[scim.roles]\n"Desk" = "agent"\n')
    [fine] = staff.provisioning(load_settings(bank))
    assert (fine.colour, fine.text) == (Colour.GREEN, "gives agent")
    settle(bank, '"Admins" = "administrator"\n')
    [risky] = staff.provisioning(load_settings(bank))
    assert risky.colour is Colour.YELLOW
