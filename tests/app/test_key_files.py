"""Key files: born private, refused when weak, shared, damaged or the demonstration's."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from app import key_files
from app.commands.key_rotation import new_client_key
from app.commands.wrong_use import WrongUse
from app.key_files import KeyFileRefused
from app.settings import Settings
from app.vault import KeyFile
from security.encoding import b64url


def kek(folder: Path, keys: dict[str, str], current: int = 1) -> Path:
    path = folder / "kek.json"
    path.write_text(json.dumps({"current": current, "keys": keys}))
    path.chmod(0o600)
    return path


def test_files_are_private_from_birth_and_never_overwritten(tmp_path: Path) -> None:
    for name, make in (
        ("kek.json", key_files.make_kek_file),
        (key_files.TOKEN_KEY_FILE, key_files.make_token_key_file),
        ("log.json", lambda path: key_files.make_signing_key_file(path, "bank.example/log")),
    ):
        path = tmp_path / name
        make(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key_files.check_key_file(path, demo=False)
        before = path.read_bytes()
        with pytest.raises(FileExistsError):
            make(path)
        assert path.read_bytes() == before


def test_two_files_never_hold_the_same_key(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        key_files.make_kek_file(tmp_path / name)
        made.append(json.loads((tmp_path / name).read_text())["keys"]["1"])
    assert made[0] != made[1]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kek.json"
    key_files.make_kek_file(path)
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match="600"):
        key_files.check_key_file(path, demo=False)


def test_a_demonstrations_key_is_refused_outside_it(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    key_files.make_kek_file(path, demo=True)
    key_files.check_key_file(path, demo=True)
    with pytest.raises(KeyFileRefused, match="demonstration"):
        key_files.check_key_file(path, demo=False)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"1": b64url(bytes(32))},
        {"1": b64url(b"a" * 32)},
        {"1": b64url(b"short")},
        {"1": "not base64 at all!"},
        {"one": b64url(bytes(range(32)))},
        {"2": b64url(bytes(range(7, 39)))},
    ],
    ids=["none", "zeros", "constant", "short", "no base64", "no number", "no current"],
)
def test_a_weak_or_damaged_key_is_refused(tmp_path: Path, keys: dict[str, str]) -> None:
    with pytest.raises(KeyFileRefused, match="weak or damaged"):
        key_files.check_key_file(kek(tmp_path, keys), demo=False)


@pytest.mark.parametrize("content", ["", "{", "[]", '"keys"', "\x00"])
def test_what_is_no_key_file_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kek.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileRefused) as refused:
        key_files.check_key_file(path, demo=False)
    assert refused.value.__cause__ is None
    with pytest.raises(KeyFileRefused, match="missing"):
        key_files.check_key_file(tmp_path / "none.json", demo=False)


def test_a_signing_key_signs_under_its_name_and_a_wrong_file_does_not(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    key_files.make_signing_key_file(path, "bank.example/log")
    assert key_files.read_signing_key(path).vkey().startswith("bank.example/log+")
    assert "seed" not in repr(key_files.read_signing_key(path))
    key_files.make_kek_file(tmp_path / "kek.json")
    with pytest.raises(KeyFileRefused, match="no signing key"):
        key_files.read_signing_key(tmp_path / "kek.json")


def test_a_rotation_keeps_the_old_keys_and_the_file_private(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    key_files.make_kek_file(path)
    file = KeyFile(path)
    assert file.ring().current == 1
    assert [key_files.add_kek_version(path) for _ in range(2)] == [2, 3]
    assert file.ring().current == 3
    document = json.loads(path.read_text())
    assert sorted(document["keys"]) == ["1", "2", "3"]
    assert len(set(document["keys"].values())) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["kek.json"]


def test_a_token_key_is_replaced_and_stays_published_for_a_day(tmp_path: Path) -> None:
    path, now = tmp_path / key_files.TOKEN_KEY_FILE, datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    file = key_files.TokenKeyFile(path)
    assert file.published(now) == []
    with pytest.raises(KeyFileRefused, match="no token key"):
        file.current()
    key_files.make_token_key_file(path)
    first = file.current().kid
    assert key_files.rotate_token_key(path, now) == (first, file.current().kid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = file.current().kid
    assert [one["kid"] for one in file.published(now)] == [second, first]
    assert [one["kid"] for one in file.published(now + timedelta(days=1))] == [second]
    later = now + timedelta(days=2)
    key_files.rotate_token_key(path, later)
    assert [one["kid"] for one in file.published(later)] == [file.current().kid, second]
    assert first not in path.read_text()


@pytest.mark.parametrize("content", ["{}", '{"signing": []}', '{"signing": [{"jwk": {}}]}', '{"signing": 7}'])
def test_what_holds_no_token_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / key_files.TOKEN_KEY_FILE
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileRefused, match="no token key"):
        key_files.check_key_file(path, demo=False)
    assert key_files.needed(tmp_path)[-1] == key_files.TOKEN_KEY_FILE


def test_a_client_key_is_private_from_birth_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "bank-login.json"
    key_files.make_client_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = key_files.read_client_key(path)
    assert "d" not in key.public_jwk()
    assert key.kid == key_files.read_client_key(path).kid
    path.chmod(0o644)
    with pytest.raises(KeyFileRefused, match="600"):
        key_files.read_client_key(path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"kty": "oct", "k": "AAAA"}', "nothing"])
def test_what_is_no_key_pair_is_no_client_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bank-login.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileRefused):
        key_files.read_client_key(path)
    with pytest.raises(KeyFileRefused, match="missing"):
        key_files.read_client_key(tmp_path / "nowhere.json")


def test_the_command_makes_a_client_key_once_and_shows_its_public_half(tmp_path: Path) -> None:
    settings = cast(Settings, SimpleNamespace(keys=tmp_path))
    shown = json.loads(new_client_key(settings, "bank-login"))
    assert shown == key_files.read_client_key(tmp_path / "bank-login.json").public_jwk()
    for name in ("bank-login", "../elsewhere", "Bank", ""):
        with pytest.raises(WrongUse):
            new_client_key(settings, name)
    assert [path.name for path in tmp_path.iterdir()] == ["bank-login.json"]
