"""The assertions that we accept, and the keys that a program may be registered with. Refusals: test_forgeries.py."""

from __future__ import annotations

from datetime import timedelta

import pytest

from security.client_assertions import (
    LONGEST,
    claimed_client,
    keys_of,
    read_assertion,
    registered_keys,
    thumbprint_of,
)
from security.jwts import LEEWAY
from tests.security.forged_assertions import CRM, US, assertion, read
from tests.security.forged_jwts import ATTACKERS, NOW, OURS, rsa_key


def test_a_right_assertion_names_client_and_itself_and_when_it_is_void() -> None:
    held = read()
    assert (held.client_id, held.jti) == (CRM, "assertion-1")
    assert held.void_at == NOW + timedelta(seconds=60) + LEEWAY


@pytest.mark.parametrize("typ", ["JWT", "", "client-authentication+jwt", "application/client-authentication+jwt"])
def test_the_types_that_libraries_send_are_taken(typ: str) -> None:
    assert read(typ=typ)


def test_two_minutes_are_the_longest_life() -> None:
    at = int(NOW.timestamp())
    assert timedelta(minutes=2) == LONGEST
    assert read(iat=at, exp=at + 120)


def test_who_it_claims_to_be_is_read_before_anything_is_believed() -> None:
    assert claimed_client(assertion(key=ATTACKERS, sub="anybody")) == "anybody"


def test_registered_keys_keep_their_name_or_get_their_thumbprint() -> None:
    named = registered_keys({"keys": [OURS.bare_jwk() | {"kid": "2026-11"}, rsa_key().as_dict(private=False)]})
    assert [one["kid"] for one in named] == ["2026-11", "rsa"]
    assert [sorted(one) for one in named] == [["crv", "kid", "kty", "x", "y"], ["e", "kid", "kty", "n"]]
    assert thumbprint_of(named[0]) == OURS.kid
    assert registered_keys(OURS.bare_jwk())[0]["kid"] == OURS.kid


def test_of_several_registered_keys_each_proves_the_client() -> None:
    both = keys_of(registered_keys({"keys": [OURS.bare_jwk(), ATTACKERS.bare_jwk()]}))
    for key in (OURS, ATTACKERS):
        assert read_assertion(assertion(key=key), both, CRM, US, NOW)
