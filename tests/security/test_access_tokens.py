"""The access tokens that we make and those that we accept. What is refused: test_forgeries.py."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from security.access_tokens import Grant, Rule, issue, read_access_token
from security.encoding import unb64url
from security.jwts import SigningKey, VerificationKeys
from tests.security.forged_access_tokens import AUDIENCE, ISSUER, JKT, RULE, read
from tests.security.forged_jwts import AT, NOW

GRANT = Grant("crm", "token-1", ("cases:work", "cases:read"), NOW, timedelta(minutes=5))


def keys(key: SigningKey) -> VerificationKeys:
    return VerificationKeys.of_jwks({"keys": [key.public_jwk()]})


def test_a_right_token_says_who_may_do_what_until_when() -> None:
    held = read()
    assert (held.issuer, held.subject, held.client_id, held.jti) == (ISSUER, "anna", "console", "token-1")
    assert held.scopes == {"cases:read", "cases:work"}
    assert held.expires_at == datetime.fromtimestamp(AT + 300, UTC)
    assert held.jkt is None
    assert not held.is_of_a_program


def test_a_token_whose_subject_is_its_client_is_a_programs() -> None:
    assert read(sub="console").is_of_a_program


def test_the_audience_may_be_a_list_of_one_and_the_type_may_be_written_out() -> None:
    assert read(aud=[AUDIENCE])
    assert read(typ="application/at+jwt")


def test_a_bound_token_names_its_key() -> None:
    assert read(cnf={"jkt": JKT}).jkt == JKT


def test_a_token_does_not_print_its_claims() -> None:
    assert "anna@bank.example" not in repr(read(email="anna@bank.example"))


def test_our_own_tokens_are_what_we_would_accept() -> None:
    key = SigningKey.new()
    made = issue(key, Rule(ISSUER, AUDIENCE), replace(GRANT, jkt=JKT))
    held = read_access_token(made, keys(key), RULE, NOW)
    assert (held.client_id, held.jti, held.jkt) == ("crm", "token-1", JKT)
    assert held.is_of_a_program
    header, claims = (json.loads(unb64url(part)) for part in made.split(".")[:2])
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "crm",
        "client_id": "crm",
        "jti": "token-1",
        "iat": AT,
        "exp": AT + 300,
        "scope": "cases:read cases:work",
        "cnf": {"jkt": JKT},
    }


def test_an_unbound_token_of_ours_says_nothing_of_a_key() -> None:
    key = SigningKey.new()
    assert read_access_token(issue(key, RULE, GRANT), keys(key), RULE, NOW).jkt is None
