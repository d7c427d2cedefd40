"""Settings: read once, from file and variables, nothing unknown, secrets by file only."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import IdentityProviderSettings, Settings, load_settings

FILE = """
bank = "Banca Esempio"
origin = "bancaesempio.example/log"
public_url = "https://chat.bancaesempio.example/"
staff_url = "https://staff.bancaesempio.example"
phone = "800 000 000"
hours_it = "lun-ven 8-20"
hours_en = "Mon-Fri 8-20"
privacy_contact = "privacy@bancaesempio.example"
"""

PROVIDER = """
[[identity_providers]]
name = "eid"
label = "eID"
kind = "oidc"
url = "https://eid.example"
client_id = "bank"
key_file = "eid.json"
"""
MASTODON = """
[[mastodon]]
url = "https://social.example"
account = "bank"
token_file = "token"
"""
SIGN_ON = """
[staff_sign_on]
label = "Bank"
issuer = "https://login.bank.example"
client_id = "desk"
key_file = "desk.json"
"""


def written(folder: Path, more: str = "", text: str = FILE) -> Path:
    (folder / "riserbo.toml").write_text(text + more)
    return folder


def test_a_file_is_enough_and_defaults_stay_on_loopback(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path))
    assert settings.public_url == "https://chat.bancaesempio.example"
    assert settings.https
    assert [
        one.rpartition(":")[0] for one in (settings.public_listen, settings.staff_listen, settings.admin_listen)
    ] == ["127.0.0.1"] * 3
    assert settings.main_database != settings.key_database
    assert settings.api_docs is False


@pytest.mark.parametrize(
    "more",
    [
        f'{PROVIDER}relay_resistant = {{ "https://www.spid.gov.it/SpidL2" = 3, "urn:eid:high" = 4 }}',
        MASTODON,
        f'{SIGN_ON}acrs = ["mfa"]\nsensitive_acrs = ["phr"]',
    ],
)
def test_what_a_bank_would_write_is_read(tmp_path: Path, more: str) -> None:
    load_settings(written(tmp_path, more))


def test_variables_win_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISERBO_BANK", "Banca Altra")
    monkeypatch.setenv("RISERBO_DIRECTORY__CSV", "people.csv")
    settings = load_settings(written(tmp_path))
    assert (settings.bank, settings.directory.csv) == ("Banca Altra", Path("people.csv"))


@pytest.mark.parametrize(
    "more",
    [
        'unknown = "x"',
        "poll_seconds = 0",
        "first_answer_minutes = 0",
        '[directory]\nsurprise = "x"',
        '[sms]\nurl = "https://sms.example"\ntoken = "a-secret-in-the-file"',
        '[[token_issuers]]\nissuer = "https://a.example"\njwks_url = "https://a.example/keys"\n[[token_issuers]]\nissuer = "https://a.example"\njwks_url = "https://a.example/keys"\n',
        '[[token_issuers]]\nissuer = "https://a.example"\njwks_url = "https://a.example/keys"\nalgorithms = ["HS256"]',
        '[[token_issuers]]\nissuer = "https://a.example"\njwks_url = "https://a.example/keys"\nalgorithms = []',
        '[[token_issuers]]\nissuer = "http://a.example"\njwks_url = "https://a.example/keys"',
        '[[token_issuers]]\nissuer = "https://a.example"\njwks_url = "https://a.example/keys?x=1"',
        '[tokens]\ndpop = "optional"',
        f"{MASTODON}{MASTODON}",
        'trusted_proxies = ["10.1.2.0/24", "0.0.0.0/0"]',
        'trusted_proxies = ["::/0"]',
        "poll_seconds = inf",
        "poll_seconds = nan",
        "[traffic]\nnetwork_per_second = inf",
        "first_answer_minutes = 1000000000000000",
        "resolution_hours = 1000000000000000",
        f'{PROVIDER}relay_resistant = {{ "" = 3 }}',
        f'{PROVIDER}relay_resistant = {{ "two words" = 3 }}',
        f"{PROVIDER}relay_resistant = {{ strong = 5 }}",
        f"{PROVIDER}relay_resistant = {{ strong = -1 }}",
        f"{PROVIDER}{PROVIDER}",
        f'{SIGN_ON}acrs = [""]',
        f'{SIGN_ON}sensitive_acrs = [""]',
        f"{SIGN_ON}sensitive_minutes = -1",
    ],
    ids=[
        "unknown",
        "no pause",
        "no clock",
        "unknown in a part",
        "a secret by value",
        "an issuer twice",
        "an algorithm with a shared secret",
        "no algorithm",
        "an issuer without TLS",
        "keys at an address with a query",
        "a duty to bind that is none",
        "a connector twice",
        "everybody a proxy",
        "everybody a proxy, in the longer spelling",
        "an endless pause",
        "a pause that is no number",
        "traffic without a limit",
        "a clock beyond all time",
        "another clock beyond all time",
        "saying nothing is strong",
        "one acr that would be asked for as two",
        "a level above all",
        "a level below none",
        "a provider twice",
        "staff of whom nothing is said",
        "staff of whom nothing is said at sensitive acts",
        "sensitive for less than nothing",
    ],
)
def test_what_is_not_known_or_makes_no_sense_is_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(ValidationError):
        load_settings(written(tmp_path, more))


@pytest.mark.parametrize(
    "address",
    ["chat.example", "ftp://chat.example", "https://chat.example/path", "https://", "https://chat.example?x=1", ""],
)
def test_an_address_is_scheme_and_host_only(tmp_path: Path, address: str) -> None:
    text = FILE.replace("https://chat.bancaesempio.example/", address)
    with pytest.raises(ValidationError):
        load_settings(written(tmp_path, text=text))


def test_a_missing_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="privacy_contact"):
        load_settings(written(tmp_path, text=FILE.replace("privacy_contact", "# ")))


def test_a_secret_comes_from_its_file_and_does_not_print(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path))
    (tmp_path / "token").write_text("very-secret\n")
    secret = settings.secret(Path("token"))
    assert secret.reveal() == b"very-secret"
    assert "very-secret" not in f"{secret!r} {secret} {settings!r}"
    assert settings.secret(tmp_path / "token").reveal() == b"very-secret"


@pytest.mark.parametrize("level", [0, 1, 2, 5])
def test_a_provider_cannot_be_given_a_level_that_a_redirect_does_not_earn(level: int) -> None:
    with pytest.raises(ValidationError):
        IdentityProviderSettings(
            name="kyc",
            label="KYC",
            url="https://kyc.example",
            client_id="x",
            secret_file=Path("s"),
            relay_resistant={"acr": level},
        )


def test_settings_cannot_change_while_serving(tmp_path: Path) -> None:
    settings: Settings = load_settings(written(tmp_path))
    with pytest.raises(ValidationError):
        settings.bank = "Other"


PROVIDER = {"name": "login", "label": "Bank login", "url": "https://id.bank.example", "client_id": "riserbo"}


def test_a_provider_is_known_by_a_key_or_a_secret() -> None:
    by_key = IdentityProviderSettings.model_validate({**PROVIDER, "kind": "oidc", "key_file": "keys/login.json"})
    assert (by_key.claim, by_key.named_by, by_key.tells_when) == ("sub", "subject", True)
    by_secret = IdentityProviderSettings.model_validate({**PROVIDER, "kind": "oidc", "secret_file": "keys/login"})
    assert by_secret.key_file is None
    assert IdentityProviderSettings.model_validate({**PROVIDER, "secret_file": "keys/login"}).kind == "http"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "oidc"},
        {"kind": "oidc", "key_file": "a", "secret_file": "b"},
        {"kind": "http", "key_file": "a"},
        {"kind": "http", "key_file": "a", "secret_file": "b"},
        {"kind": "saml", "secret_file": "b"},
        {"kind": "oidc", "secret_file": "b", "named_by": "email"},
        {"kind": "oidc", "secret_file": "b", "scope": "profile"},
        {"kind": "oidc", "secret_file": "b", "url": "http://id.bank.example"},
        {"kind": "oidc", "secret_file": "b", "relay_resistant": {"any": 2}},
        {"kind": "oidc", "secret_file": "b", "name": "Bank Login"},
    ],
)
def test_a_provider_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IdentityProviderSettings.model_validate({**PROVIDER, **wrong})


BLUESKY = '[[atproto]]\nhandle = "@bancaesempio.example"\nkey_file = "keys/bluesky.json"\n'


def test_a_bluesky_account_needs_little(tmp_path: Path) -> None:
    [one] = load_settings(written(tmp_path, BLUESKY)).atproto
    assert (one.name, one.label, one.directory) == ("bluesky", "Bluesky", "https://plc.directory")


@pytest.mark.parametrize(
    "more",
    [
        BLUESKY.replace("bancaesempio.example", "bancaesempio"),
        BLUESKY.replace("key_file", "token_file"),
        BLUESKY + 'directory = "http://plc.directory"\n',
        BLUESKY + 'resolver = "https://r.example/?q=1"\n',
    ],
)
def test_a_bluesky_account_that_cannot_work_is_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(ValidationError):
        load_settings(written(tmp_path, more))


@pytest.mark.parametrize("address", ["http://chat.bancaesempio.example", "https://chat.bancaesempio.example:8443"])
def test_servers_know_the_bank_by_an_address_of_https_without_a_port(tmp_path: Path, address: str) -> None:
    text = FILE.replace("https://chat.bancaesempio.example/", address)
    load_settings(written(tmp_path, text=text))
    with pytest.raises(ValidationError, match="without a port"):
        load_settings(written(tmp_path, BLUESKY, text))
