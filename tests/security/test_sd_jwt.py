"""What a holder may show of a credential, and what we read in it. What is refused: test_forgeries.py."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

from jwcrypto.jwk import JWK
from sd_jwt.holder import SDJWTHolder

from security.sd_jwt import TrustedIssuer, Wanted, verify_presentation
from tests.security.forged_jwts import AT, NOW
from tests.security.forged_presentations import (
    CODE,
    ISSUER,
    ITALY,
    NAME,
    NONCE,
    NUMBER,
    PID,
    STATIC,
    US,
    WANTED,
    bound,
    claims,
    digest,
    disclosure,
    presented,
    selection,
    shown,
)
from tests.support.wallet import NUMBER as NUMBER_OF_WALLETS
from tests.support.wallet import VCT, PidIssuer


def test_only_what_is_disclosed_can_be_read() -> None:
    found = presented(CODE)
    assert found.issuer.issuer == ISSUER
    assert found.expires_at == NOW + timedelta(days=1)
    assert found.claims[NUMBER] == "TINIT-FRRGLI80A41L219X"
    assert "family_name" not in found.claims
    assert found.claims["nationalities"] == []
    assert not {"_sd", "_sd_alg"} & found.claims.keys()
    assert found.status == claims()["status"]


def test_everything_may_be_disclosed() -> None:
    found = presented(CODE, NAME, ITALY).claims
    assert (found["family_name"], found["nationalities"]) == ("Ferraro", ["IT"])


def test_nothing_has_to_be_disclosed() -> None:
    assert NUMBER not in presented().claims


def test_a_disclosure_may_hold_the_places_of_others() -> None:
    street = disclosure("s1", "street", "Via Po 1")
    address = disclosure("s2", "address", {"_sd": [digest(street), digest("a decoy")], "country": "IT"})
    places = disclosure("s3", ["Torino", {"...": digest(street)}])
    assert presented(address, street, _sd=[digest(address)]).claims["address"] == {
        "country": "IT",
        "street": "Via Po 1",
    }
    assert presented(address, _sd=[digest(address)]).claims["address"] == {"country": "IT"}
    assert presented(places, _sd=[], nationalities=[{"...": digest(places)}]).claims["nationalities"] == [["Torino"]]


def test_an_issuer_may_be_known_by_its_keys_alone() -> None:
    issued = PID.sign(claims(iss=STATIC), typ="dc+sd-jwt", header={"kid": PID.kid})
    assert presented(CODE, issued=issued).issuer.issuer == STATIC


def test_the_usual_hash_need_not_be_named() -> None:
    assert presented(CODE, _sd_alg=None).claims[NUMBER]


def test_clocks_may_differ_by_the_usual_leeway() -> None:
    for apart in (-190, 25):
        assert shown(bound(selection(CODE), iat=AT + apart))


def test_presentations_and_questions_print_nothing_personal() -> None:
    assert "FRRGLI" not in repr(presented(CODE))
    assert NONCE not in repr(WANTED)


def test_what_another_implementation_issues_and_presents_is_read() -> None:
    issuer, key = PidIssuer(NOW), JWK.generate(kty="EC", crv="P-256")
    holder = SDJWTHolder(issuer.issue(key, NOW, "TINIT-FRRGLI80A41L219X"))
    with patch("sd_jwt.holder.time", NOW.timestamp):
        holder.create_presentation({NUMBER_OF_WALLETS: True, "nationalities": [False, True]}, NONCE, US, key)
    trusted = {issuer.url: TrustedIssuer(issuer.url, roots=(issuer.authority.certificate,))}
    wanted = Wanted(VCT, US, NONCE, NOW - timedelta(minutes=1))
    found = verify_presentation(holder.sd_jwt_presentation, trusted, wanted, NOW).claims
    assert found[NUMBER] == "TINIT-FRRGLI80A41L219X"
    assert found["nationalities"] == ["DE"]
    assert "family_name" not in found
