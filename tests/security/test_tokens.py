"""Tokens, slugs and references: random, of one form, and found only by their hash."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.encoding import unb64url
from security.errors import EncodingError
from security.tokens import new_reference, new_slug, new_token, token_hash, typed_reference


def test_tokens_hold_256_random_bits() -> None:
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert {(len(token), len(unb64url(token))) for token in tokens} == {(43, 32)}


def test_a_token_is_stored_as_its_sha256() -> None:
    token = new_token()
    assert token_hash(token) == hashlib.sha256(token.encode()).digest()
    assert token_hash(token) != token_hash(token + " ")


@given(st.text(st.characters()))
def test_any_text_a_stranger_sends_has_a_hash(text: str) -> None:
    assert len(token_hash(text)) == 32


def test_broken_unicode_is_an_unknown_token_and_not_an_error() -> None:
    assert token_hash("\ud800") != token_hash("\udfff")


def test_slugs_hold_128_random_bits_in_lower_case() -> None:
    slugs = {new_slug() for _ in range(200)}
    assert len(slugs) == 200
    assert all(re.fullmatch(r"[a-z2-7]{26}", slug) for slug in slugs)


def test_references_are_three_groups_without_look_alikes() -> None:
    references = {new_reference() for _ in range(300)}
    assert len(references) == 300
    assert all(re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{4}(-[2-9A-HJKMNP-TV-Z]{4}){2}", one) for one in references)
    # Each of the 30 characters turns up in 3,600 draws unless the alphabet was cut.
    assert len(set("".join(references)) - {"-"}) == 30


@pytest.mark.parametrize(
    "typed", ["ABCD-EFGH-2345", "abcdefgh2345", " abcd efgh 2345 ", "AB-CD-EF-GH-23-45", "abcd\u00a0efgh-2345"]
)
def test_a_reference_is_read_however_it_is_typed(typed: str) -> None:
    assert typed_reference(typed) == "ABCD-EFGH-2345"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ABCD-EFGH-234",
        "ABCD-EFGH-23456",
        "ABCD-EFGH-2340",
        "ABCD-EFGH-234I",
        "ABCD\u2013EFGH\u20132345",
        "ABCD-EFGH-234\u0665",
        # These become ordinary letters in upper case.
        "abcdefgh234\u017f",
        "\ufb00CDEFGH2345",
        "abcdefgh23\u00df",
        "ABCD-EFGH-2345" + "-" * 51,
    ],
)
def test_what_cannot_be_a_reference_is_refused(typed: str) -> None:
    with pytest.raises(EncodingError):
        typed_reference(typed)


def test_a_reference_may_be_spread_over_64_characters_and_no_more() -> None:
    assert typed_reference("ABCD-EFGH-2345" + "-" * 50) == "ABCD-EFGH-2345"


def test_every_new_reference_reads_back_as_itself() -> None:
    for _ in range(100):
        reference = new_reference()
        assert typed_reference(reference.lower().replace("-", " ")) == reference
