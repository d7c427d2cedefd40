"""What the one decoder accepts, and what our own tokens look like. What it refuses: test_forgeries.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from security.encoding import unb64url
from security.errors import TokenRefused, WeakKey
from security.jwts import Expected, Parsed, SigningKey, VerificationKeys, claim_time, parse, public_key, verify
from tests.security.forged_jwts import AT, EXPECTED, ISSUER, NOW, OURS, US, claims, keys, signed
from tests.security.rsa_pair import rsa_key


def test_a_right_token_gives_its_claims() -> None:
    assert verify(signed(), keys(), EXPECTED, NOW) == claims()


def test_a_token_by_rsa_counts_too() -> None:
    token = jws.serialize_compact({"alg": "RS256", "typ": "JWT", "kid": "rsa"}, json.dumps(claims()), rsa_key())
    assert verify(token, keys(), EXPECTED, NOW)["sub"] == "u-1"


def test_a_key_without_a_name_is_found_when_only_one_fits() -> None:
    token = OURS.sign(claims(), typ="JWT", header={})
    assert "kid" not in parse(token).header
    assert verify(token, keys(), EXPECTED, NOW) == claims()


def test_an_audience_may_be_a_list_of_one() -> None:
    assert verify(signed(claims(aud=[US])), keys(), EXPECTED, NOW)["aud"] == [US]


@pytest.mark.parametrize("typ", ["JWT", "jwt", "application/jwt"])
def test_a_type_is_compared_without_case_and_prefix(typ: str) -> None:
    assert verify(signed(typ=typ), keys(), EXPECTED, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": AT - 29},
        {"exp": AT + 629},
        {"exp": AT + 100.5},
        {"nbf": AT + 29},
        {"nbf": AT - 5},
        {"iat": AT + 29},
        {"iat": AT - 329},
    ],
)
def test_clocks_may_differ_by_half_a_minute(changes: dict[str, float]) -> None:
    assert verify(signed(claims(**changes)), keys(), EXPECTED, NOW)


def test_bounds_that_nobody_asked_for_do_not_bind() -> None:
    loose = Expected(ISSUER, US, ("jwt",), required=())
    assert verify(signed(claims(exp=AT + 9_000_000, iat=None)), keys(), loose, NOW)
    assert verify(signed(claims(iat=AT - 9_000_000)), keys(), loose, NOW)


def test_keys_that_we_cannot_use_do_not_spoil_a_set() -> None:
    strange = [{"kty": "AKP"}, {"kty": "oct", "k": "AAAA"}, {**OURS.public_jwk(), "use": "enc"}, "text"]
    mixed = VerificationKeys.of_jwks({"keys": [*strange, {**OURS.bare_jwk(), "key_ops": ["verify"], "kid": OURS.kid}]})
    assert verify(signed(), mixed, EXPECTED, NOW) == claims()


def test_an_absent_time_is_none() -> None:
    assert claim_time({}, "nbf") is None
    assert claim_time({"nbf": 0}, "nbf") == 0


def test_an_algorithm_that_is_not_text_is_none() -> None:
    assert Parsed("", {"alg": 7}, {}).algorithm == ""


def test_our_tokens_name_type_algorithm_and_key() -> None:
    header = json.loads(unb64url(OURS.sign({"a": 1}, typ="JWT").split(".")[0]))
    assert header == {"alg": "ES256", "typ": "JWT", "kid": OURS.kid}


def test_our_public_key_holds_no_private_part() -> None:
    assert set(OURS.public_jwk()) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert public_key(OURS.public_jwk()).kid == OURS.kid


def test_our_pair_reads_back_and_does_not_print() -> None:
    again = SigningKey.of_jwk(OURS.private_jwk())
    assert again.kid == OURS.kid
    assert OURS.private_jwk()["d"] not in repr(again) + str(vars(again))
    assert SigningKey.new().kid != OURS.kid


@pytest.mark.parametrize(
    "document",
    [
        {},
        None,
        "text",
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"},
        OURS.public_jwk(),
        OctKey.import_key(b"k" * 32).as_dict(private=True),
        ECKey.generate_key("P-384").as_dict(private=True),
    ],
)
def test_only_a_private_key_on_p256_signs(document: object) -> None:
    with pytest.raises(WeakKey):
        SigningKey.of_jwk(document)


@given(st.text(max_size=300))
def test_any_text_is_refused_by_a_word(text: str) -> None:
    with pytest.raises(TokenRefused):
        verify(text, keys(), EXPECTED, NOW)


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_no_changed_character_is_accepted(at: int, character: str) -> None:
    token = signed()
    changed = token[: at % len(token)] + character + token[at % len(token) + 1 :]
    if changed != token:
        with pytest.raises(TokenRefused):
            verify(changed, keys(), EXPECTED, NOW)


def test_ages_are_counted_from_the_time_given() -> None:
    token = signed()
    assert verify(token, keys(), EXPECTED, NOW + timedelta(minutes=5))
    with pytest.raises(TokenRefused):
        verify(token, keys(), EXPECTED, NOW + timedelta(minutes=6))


def test_a_time_that_counts_is_a_date_for_whoever_computes_with_it() -> None:
    last = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(claim_time({"exp": last}, "exp") or 0, UTC).year == 9999
    with pytest.raises(TokenRefused, match="time"):
        claim_time({"exp": last + 1}, "exp")
