"""`init` and `migrate`: a persistent installation in its first seconds."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app import key_files
from app.agents.new_passwords import SHORTEST
from app.settings import load_settings
from tests.app.command_line import CommandLine, one_line, own_process
from tests.app.commands.made_bank import BANK, INIT, PASSWORD
from tests.app.commands.test_operators import _password_file


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
    assert len(password) >= SHORTEST


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
