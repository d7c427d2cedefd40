"""`riserbo clients`: programs come, get new keys and go, each act with its leaf in the operator's name."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from app import key_files
from app.checks import outside
from app.checks.finding import Colour
from app.commands import operating
from app.initialising import NewBank, initialise
from app.settings import load_settings
from app.token_parts import issuer_ports, token_ports
from security.encoding import b64url
from security.jwts import SigningKey
from tests.app.command_line import CommandLine, one_line

BANK = NewBank(
    bank="Banca Esempio",
    public_url="https://aiuto.bancaesempio.example",
    staff_url="https://staff.bancaesempio.example",
    phone="+39 02 000000",
    hours_it="lun-ven",
    hours_en="Mon-Fri",
    privacy_contact="privacy@bancaesempio.example",
    admin_login="ada",
    admin_name="Ada",
)
ISSUER = '[[token_issuers]]\nissuer = "https://login.bank.example"\njwks_url = "https://login.bank.example/keys"\n'


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bank"
    asyncio.run(initialise(folder, BANK, operating.operator(), "correct horse battery staple"))
    return folder


@pytest.fixture
def bank(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "bank"))


@pytest.fixture
def riserbo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def key_file(folder: Path, key: SigningKey, name: str = "key.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(key.public_jwk()))
    return file


def acts(bank: Path) -> list[tuple[str, str]]:
    """Event and operator of what was done to programs and their signing key."""
    connection = sqlite3.connect(bank / "riserbo.db")
    leaves = [json.loads(row[0]) for row in connection.execute("SELECT leaf FROM audit_leaves ORDER BY stage_no")]
    connection.close()
    return [(leaf["t"], leaf["actor"]["id"]) for leaf in leaves if leaf["t"].startswith(("client.", "key."))]


def test_a_program_comes_gets_new_keys_and_goes(bank: Path, riserbo: CommandLine, tmp_path: Path) -> None:
    key = key_file(tmp_path, SigningKey.new())
    add = ("clients", "add", "--dir", bank, "--id", "crm", "--name", "CRM", "--scope", "cases:read", "--keys", key)
    done = riserbo(*add, "--scope", "rooms:talk")
    assert done.status == 0, done.err
    assert "https://staff.bancaesempio.example/oauth/token" in done.out
    one_line(riserbo(*add), "already a program")
    fresh = key_file(tmp_path, SigningKey.new(), "new.json")
    assert riserbo("clients", "rotate", "crm", "--dir", bank, "--keys", fresh).status == 0
    assert riserbo("clients", "list", "--dir", bank).out.split()[:5] == [
        "crm",
        "active",
        "cases:read",
        "rooms:talk",
        "2",
    ]
    assert riserbo("clients", "disable", "crm", "--dir", bank).status == 0
    assert riserbo("clients", "list", "--dir", bank).out.split()[:2] == ["crm", "ended"]
    one_line(riserbo("clients", "rotate", "crm", "--dir", bank, "--keys", fresh), "cannot be registered")
    one_line(riserbo("clients", "disable", "erp", "--dir", bank), "nothing here")
    name = operating.operator().os_user
    assert acts(bank) == [("client.added", name), ("client.keys_changed", name), ("client.disabled", name)]


def test_what_cannot_be_a_program_is_refused_in_a_line(bank: Path, riserbo: CommandLine, tmp_path: Path) -> None:
    key = key_file(tmp_path, SigningKey.new())
    add = ("clients", "add", "--dir", bank, "--name", "CRM")
    one_line(riserbo(*add, "--id", "crm", "--scope", "exports:make", "--keys", key), "cannot hold exports:make")
    one_line(riserbo(*add, "--id", "Crm!", "--scope", "cases:read", "--keys", key), "cannot be registered")
    one_line(riserbo(*add, "--id", "crm", "--scope", "cases:read"), "cannot be registered")
    one_line(
        riserbo(*add, "--id", "crm", "--scope", "cases:read", "--issuer", "https://x.example"), "no [[token_issuers]]"
    )
    for content, word in (
        (json.dumps(SigningKey.new().private_jwk()), "PRIVATE"),
        (json.dumps({"kty": "oct", "k": b64url(b"k" * 32)}), "public keys"),
        ("not json", "not JSON"),
        ("[]", "public keys"),
    ):
        key.write_text(content)
        one_line(riserbo(*add, "--id", "crm", "--scope", "cases:read", "--keys", key), word)
    assert acts(bank) == []


def test_a_program_of_the_banks_issuer_has_no_keys(bank: Path, riserbo: CommandLine) -> None:
    with (bank / "riserbo.toml").open("a") as file:
        file.write(ISSUER)
    issuer = "https://login.bank.example"
    add = ("clients", "add", "--dir", bank, "--id", "batch 7", "--name", "B", "--scope", "cases:read")
    assert riserbo(*add, "--issuer", issuer, "--require-dpop").status == 0
    assert riserbo("clients", "list", "--dir", bank).out.split()[-2:] == [issuer, "DPoP"]
    assert riserbo("clients", "disable", "batch 7", "--dir", bank, "--issuer", issuer).status == 0


def test_the_signing_key_is_made_when_it_is_needed_and_replaced_when_told(
    bank: Path, riserbo: CommandLine, tmp_path: Path
) -> None:
    path = bank / "keys" / key_files.TOKEN_KEY_FILE
    path.unlink()
    one_line(riserbo("clients", "signing-key", "--dir", bank), "missing")
    key = key_file(tmp_path, SigningKey.new())
    add = ("clients", "add", "--dir", bank, "--id", "crm", "--name", "CRM", "--scope", "cases:read", "--keys", key)
    assert riserbo(*add).status == 0
    assert path.stat().st_mode & 0o777 == 0o600
    before = issuer_ports(load_settings(bank)).keys.current().kid
    assert riserbo("clients", "signing-key", "--dir", bank).status == 0
    assert issuer_ports(load_settings(bank)).keys.current().kid != before
    assert [event for event, _ in acts(bank)] == ["client.added", "key.rotated"]


def test_the_settings_say_whose_tokens_are_believed_and_how_they_come(bank: Path) -> None:
    with (bank / "riserbo.toml").open("a") as file:
        file.write(f'{ISSUER}longest_minutes = 5\n[tokens]\ndpop = "required"\nnonces = true\n')
    settings = load_settings(bank)
    ports = token_ports(settings, operating.outbound_from(settings))
    assert (ports.requires_dpop, ports.uses_nonces) == (True, True)
    trusted = ports.issuers["https://login.bank.example"]
    assert (trusted.rule.audience, trusted.rule.longest.total_seconds()) == (f"{BANK.staff_url}/api/v1", 300)
    assert issuer_ports(settings).requires_dpop


def test_the_doctor_tells_of_an_issuer_whose_keys_cannot_be_had(bank: Path) -> None:
    with (bank / "riserbo.toml").open("a") as file:
        file.write(ISSUER.replace("example/", "example:1/"))
    settings = load_settings(bank).model_copy(update={"internal_hosts": {"login.bank.example": "127.0.0.1:1"}})
    [finding] = asyncio.run(outside.token_issuers(settings))
    assert (finding.colour, "no keys" in finding.text) == (Colour.RED, True)
