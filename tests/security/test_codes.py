"""Typed codes: what a person may type, and what is stored instead."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.codes import check_code, code_hash, new_code, typed_digits
from security.errors import CodeRefused, WeakKey
from security.secret import Secret

PEPPER, OTHER_PEPPER = Secret(secrets.token_bytes(32)), Secret(secrets.token_bytes(32))
STORED = code_hash(PEPPER, "challenge-1", "00431207")


@pytest.mark.parametrize("digits", [6, 8, 12])
def test_new_codes_have_the_digits_that_were_asked_for(digits: int) -> None:
    codes = {new_code(digits) for _ in range(50)}
    assert all(len(code) == digits and code.isascii() and code.isdigit() for code in codes)
    assert len(codes) > 40


def test_a_code_has_eight_digits_and_keeps_its_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.codes.secrets.randbelow", lambda limit: limit - 99_999_995)
    assert new_code() == "00000005"


@pytest.mark.parametrize("digits", [0, 5, 13, -8])
def test_codes_that_are_too_short_to_resist_guessing_are_not_made(digits: int) -> None:
    with pytest.raises(ValueError, match="6 to 12"):
        new_code(digits)


@pytest.mark.parametrize(
    "typed", ["00431207", " 00431207\n", "0043 1207", "00 43 12 07", "0043\u00a01207", "\t0043\u202f1207"]
)
def test_a_right_code_passes_with_spaces_anywhere(typed: str) -> None:
    check_code(PEPPER, "challenge-1", STORED, typed)
    assert typed_digits(typed) == "00431207"


@pytest.mark.parametrize(
    "typed",
    [
        "00431208",
        "0431207",
        "431207",
        "000431207",
        "",
        "   ",
        "0043-1207",
        "0043120O",
        "+00431207",
        "0x431207",
        "\u0660\u0660\u0664\u0663\u0661\u0662\u0660\u0667",
        "\uff10\uff10\uff14\uff13\uff11\uff12\uff10\uff17",
        "0043120\u2077",
        "0043\u200b1207",
        "00431207\0",
        "\ud8000431207",
        "00431207" + " " * 60,
        "0" * 1_000_000,
    ],
)
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(CodeRefused):
        check_code(PEPPER, "challenge-1", STORED, typed)


@pytest.mark.parametrize(
    "typed",
    ["", " ", "1234567x", "-1234567", "1_000_000", "\u0661\u0662\u0663", "\uff11\uff12", "12\u00b2", "1" + " " * 64],
)
def test_only_ascii_digits_are_read_as_digits(typed: str) -> None:
    with pytest.raises(CodeRefused, match="not a code"):
        typed_digits(typed)


def test_a_code_may_be_spread_over_64_characters_and_no_more() -> None:
    assert typed_digits("1" + " " * 63) == "1"


def test_a_code_answers_only_its_own_challenge_under_its_own_pepper() -> None:
    for pepper, challenge in ((PEPPER, "challenge-2"), (PEPPER, "challenge-10"), (OTHER_PEPPER, "challenge-1")):
        with pytest.raises(CodeRefused):
            check_code(pepper, challenge, STORED, "00431207")


def test_challenge_and_code_cannot_trade_digits() -> None:
    assert code_hash(PEPPER, "1", "23456789") != code_hash(PEPPER, "12", "3456789")


def test_codes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr("security.codes.hmac.compare_digest", compare)
    check_code(PEPPER, "challenge-1", STORED, "00431207")
    assert compared == [(STORED, STORED)]


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(WeakKey):
        code_hash(Secret(b"pepper"), "challenge-1", "00431207")


@given(st.text(max_size=70))
def test_no_typed_text_raises_anything_but_a_refusal(typed: str) -> None:
    with pytest.raises(CodeRefused):
        check_code(PEPPER, "challenge-1", bytes(32), typed)
