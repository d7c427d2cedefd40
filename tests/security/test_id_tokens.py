"""What a right ID token gives. What is refused: test_forgeries.py."""

from __future__ import annotations

from datetime import timedelta

from security.id_tokens import Asked
from tests.security.forged_id_tokens import ACCESS_TOKEN, AT_HASH, AT_LEISURE, NONCE, shown, told
from tests.security.forged_jwts import AT, ISSUER, NOW, US


def test_a_right_token_says_who_and_how() -> None:
    identity = shown(at_hash=AT_HASH, azp=US, fiscal_number="TINIT-X")
    assert (identity.subject, identity.acr) == ("u-1", "https://www.spid.gov.it/SpidL2")
    assert identity.claims["fiscal_number"] == "TINIT-X"


def test_an_absent_level_is_no_level() -> None:
    assert shown(acr=None).acr == ""


def test_a_session_of_before_counts_where_nobody_asked_for_a_new_sign_in() -> None:
    assert shown(AT_LEISURE, auth_time=AT - 36_000).subject == "u-1"
    assert shown(AT_LEISURE, auth_time=None).subject == "u-1"


def test_clocks_may_differ_at_the_sign_in_too() -> None:
    assert shown(auth_time=AT - 49)
    assert shown(auth_time=AT + 29)
    exact = Asked(ISSUER, US, NONCE, ("ES256",), signed_in_since=NOW + timedelta(seconds=30))
    assert shown(exact, auth_time=AT)


def test_a_token_may_come_without_a_type() -> None:
    assert shown(typ="").subject == "u-1"


def test_identities_and_questions_print_nothing_personal() -> None:
    assert "u-1" not in repr(shown())
    assert NONCE not in repr(AT_LEISURE)
    assert ACCESS_TOKEN not in repr(shown())


def test_signed_userinfo_gives_its_claims() -> None:
    assert told(fiscal_number="TINIT-X") == {"iss": ISSUER, "aud": US, "sub": "u-1", "fiscal_number": "TINIT-X"}
    assert told(aud=[US])
