"""Wallets from the settings and the files that they name; and the request by which a bank gets its certificate."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from pydantic import ValidationError

from app import key_files
from app.binding.wallet_status import StatusLists
from app.channels.ports import State
from app.commands import key_rotation
from app.commands.wrong_use import WrongUse
from app.directory.port import IdentifierKind
from app.key_files import KeyFileRefused
from app.main import parts_from
from app.outbound import OutboundClient
from app.permissions import Level
from app.settings import IdentityProviderSettings, Settings
from app.wallets import wallet_from
from security.certificates import certificate_hash
from security.jwts import SigningKey
from tests.app.binding.wallets import CLIENT_ID, HOST, access_certificate
from tests.support.certificates import pem, root

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
VCT: Final = "urn:eudi:pid:it:1"
PROVIDER: Final[dict[str, Any]] = {
    "name": "it-wallet",
    "kind": "wallet",
    "label": "IT-Wallet",
    "url": "openid4vp://",
    "client_id": CLIENT_ID,
    "key_file": "keys/it-wallet.json",
    "certificate_file": "keys/it-wallet.pem",
    "vct": VCT,
    "claim": "personal_administrative_number",
    "named_by": "fiscal_code",
    "relay_resistant": {VCT: 4},
    "issuers": [
        {"issuer": "https://pid.example", "roots_file": "keys/roots.pem"},
        {"issuer": "https://other.example", "jwks_file": "keys/jwks.json"},
    ],
}


def provider(**changes: Any) -> IdentityProviderSettings:
    return IdentityProviderSettings.model_validate({**PROVIDER, **changes})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with everything that a wallet needs."""
    keys = tmp_path / "keys"
    keys.mkdir()
    key_files.make_client_key_file(keys / "it-wallet.json")
    key = key_files.read_client_key(keys / "it-wallet.json")
    (keys / "it-wallet.pem").write_bytes(pem(access_certificate(root(NOW), key, NOW)))
    (keys / "roots.pem").write_bytes(pem(root(NOW).certificate, root(NOW).certificate))
    (keys / "jwks.json").write_text(json.dumps({"keys": [SigningKey.new().public_jwk()]}))
    return Settings(
        data=tmp_path,
        bank="Banca Esempio",
        origin="bancaesempio.example/log",
        public_url=f"https://{HOST}",
        staff_url="https://staff.bancaesempio.example",
        phone="800 000 000",
        hours_it="lun-ven 8-20",
        hours_en="Mon-Fri 8-20",
        privacy_contact="privacy@bancaesempio.example",
        identity_providers=[provider()],
    )


def test_a_wallet_is_built_from_its_files(settings: Settings) -> None:
    (offered,) = parts_from(settings, OutboundClient()).providers
    assert (offered.name, offered.label, offered.approval) == ("it-wallet", "IT-Wallet", "browser")
    assert offered.relay_resistant == {VCT: Level.L4}
    wallet = wallet_from(settings, provider(), OutboundClient())
    assert (wallet.kind, wallet.vct, wallet.client_id) == (IdentifierKind.FISCAL_CODE, VCT, CLIENT_ID)
    assert len(wallet.issuers["https://pid.example"].roots) == 2
    assert wallet.issuers["https://other.example"].keys is not None
    assert isinstance(wallet.status, StatusLists)
    assert wallet_from(settings, provider(status="none"), OutboundClient()).status is None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("it-wallet.pem", b"no certificate"),
        ("it-wallet.pem", pem(access_certificate(root(NOW), SigningKey.new(), NOW))),
        ("it-wallet.json", b"{}"),
        ("roots.pem", b"no certificate"),
        ("jwks.json", b"{}"),
        ("jwks.json", b"no keys"),
    ],
)
def test_files_that_do_not_fit_are_refused(settings: Settings, file: str, content: bytes) -> None:
    (settings.keys / file).write_bytes(content)
    with pytest.raises(KeyFileRefused, match=file):
        wallet_from(settings, provider(), OutboundClient())


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://wallet.example"},
        {"url": "javascript://wallet"},
        {"key_file": None},
        {"key_file": None, "secret_file": "keys/secret"},
        {"certificate_file": None},
        {"vct": ""},
        {"issuers": []},
        {"claim": "sub"},
        {"named_by": "subject"},
        {"issuers": [{"issuer": "https://pid.example"}]},
        {"issuers": [{"issuer": "https://pid.example", "roots_file": "a", "jwks_file": "b"}]},
    ],
)
def test_a_wallet_that_is_not_whole_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        provider(**changes)


async def test_the_doctor_hears_what_wallets_will_object_to(settings: Settings) -> None:
    wallet = wallet_from(settings, provider(), OutboundClient())
    leaf = wallet.chain[0]

    async def told(when: datetime = NOW, **changes: Any) -> list[State]:
        return [remark.state for remark in await replace(wallet, **changes).look(when)]

    assert await told() == [State.RIGHT]
    assert await told(client_id=f"x509_hash:{certificate_hash(leaf)}") == [State.RIGHT]
    assert await told(client_id="x509_san_dns:shop.example") == [State.WRONG]
    assert await told(client_id="x509_hash:AAAA") == [State.WRONG]
    assert await told(client_id="riserbo") == [State.WRONG]
    assert await told(NOW + timedelta(days=80)) == [State.ODD]
    assert await told(NOW + timedelta(days=91)) == [State.WRONG]
    assert await told(NOW - timedelta(days=2)) == [State.WRONG]
    assert await told(status=None) == [State.ODD]


def test_the_certificate_request_is_for_the_key_and_the_public_host(settings: Settings) -> None:
    text = key_rotation.certificate_request(settings, "it-wallet")
    asked = x509.load_pem_x509_csr(text.encode())
    assert asked.is_signature_valid
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    key = key_files.read_client_key(settings.keys / "it-wallet.json")
    certified = access_certificate(root(NOW), key, NOW)
    assert asked.public_key() == certified.public_key()


@pytest.mark.parametrize("name", ["nobody", "../it-wallet"])
def test_a_key_that_is_not_there_gets_no_request(settings: Settings, name: str) -> None:
    with pytest.raises(WrongUse):
        key_rotation.certificate_request(settings, name)
