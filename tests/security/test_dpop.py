"""The proofs that we make and those that we accept. What is refused: test_forgeries.py."""

from __future__ import annotations

import json

import pytest

from security.dpop import WINDOW, make_proof, verify_proof
from security.encoding import unb64url
from security.jwts import SigningKey
from tests.security.forged_dpop import ATH, NONCE, TOKEN, URL, proof, shown
from tests.security.forged_jwts import AT, NOW, OURS


def test_a_right_proof_names_its_key_and_itself() -> None:
    held = shown()
    assert (held.jkt, held.jti) == (OURS.kid, "proof-1")


def test_our_own_proofs_hold() -> None:
    key = SigningKey.new()
    made = make_proof(key, "GET", f"{URL}?page=2#x", NOW, nonce=NONCE, access_token=TOKEN)
    assert verify_proof(made, "GET", URL, NOW, jkt=key.kid, access_token=TOKEN, nonce=NONCE).jkt == key.kid
    header, claims = (json.loads(unb64url(part)) for part in made.split(".")[:2])
    assert header == {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.bare_jwk()}
    assert claims | {"jti": ""} == {"jti": "", "htm": "GET", "htu": URL, "iat": AT, "nonce": NONCE, "ath": ATH}


def test_a_first_proof_has_neither_nonce_nor_token() -> None:
    key = SigningKey.new()
    made = make_proof(key, "POST", URL, NOW)
    assert verify_proof(made, "POST", URL, NOW).jkt == key.kid
    assert not {"nonce", "ath"} & json.loads(unb64url(made.split(".")[1])).keys()


def test_every_proof_has_a_name_of_its_own() -> None:
    key = SigningKey.new()
    assert len({verify_proof(make_proof(key, "GET", URL, NOW), "GET", URL, NOW).jti for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "htu",
    [URL, f"{URL}?q=1", f"{URL}#part", "https://STAFF.example/api/v1/cases", "https://staff.example:443/api/v1/cases"],
)
def test_addresses_are_compared_as_the_rfc_says(htu: str) -> None:
    assert shown(htu=htu)


def test_a_bare_origin_is_its_root() -> None:
    assert verify_proof(proof(htu="https://a.example"), "GET", "https://a.example/", NOW)


@pytest.mark.parametrize("way", [-1, 1])
def test_clocks_may_differ_by_a_minute(way: int) -> None:
    assert verify_proof(proof(), "GET", URL, NOW + way * WINDOW)
    assert WINDOW.total_seconds() == 60
