"""Whatever a text is disguised with, a blocked text stays blocked."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.leaks import Allowed, Fact, scan

FACTS = (Fact("name", "Giulia Rossi"), Fact("city", "Castelvetrano"), Fact("customer_number", "00483920"))
SECRETS = (
    "IT60X0542811101000000123456",
    "DE89370400440532013000",
    "4111111111111111",
    "5555555555554444",
    "RSSGLI85C52H501L",
    "3471234567",
    "+393471234567",
    "mario.rossi@gmail.com",
    "il suo conto",
    "your account",
    "il PIN: 4821",
    "Castelvetrano",
    "Rossi",
    "00483920",
)
IDENTIFIERS = SECRETS[:6]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202c\u2066\u2069\u034f\ufe0f\x00"
CYRILLIC = str.maketrans("aeopcxyATEKMHOPCX", "аеорсхуАТЕКМНОРСХ")
GREEK = str.maketrans("oAEIKMNOPTX", "οΑΕΙΚΜΝΟΡΤΧ")
FULL_WIDTH = str.maketrans({sign: chr(ord(sign) + 0xFEE0) for sign in string.ascii_letters + string.digits + "+@."})
BOLD = str.maketrans(
    {letter: chr(0x1D41A + place) for place, letter in enumerate(string.ascii_lowercase)}
    | {letter: chr(0x1D400 + place) for place, letter in enumerate(string.ascii_uppercase)}
    | {digit: chr(0x1D7CE + place) for place, digit in enumerate(string.digits)}
)
ARABIC_DIGITS = str.maketrans({digit: chr(0x660 + place) for place, digit in enumerate(string.digits)})
LETTERS_FOR_DIGITS = str.maketrans("01", "Ol")
TABLES = (CYRILLIC, GREEK, FULL_WIDTH, BOLD, ARABIC_DIGITS)


def blocked(text: str) -> bool:
    leaks = scan(text, facts=FACTS, allowed=Allowed(["Giulia"]))
    return any(leak.severity == "block" for leak in leaks)


@pytest.mark.parametrize("secret", SECRETS)
def test_the_plain_secret_is_blocked(secret: str) -> None:
    assert blocked(secret)


@given(st.sampled_from(SECRETS), st.lists(st.tuples(st.integers(0, 40), st.sampled_from(INVISIBLE)), max_size=12))
def test_invisible_characters_hide_nothing(secret: str, inserted: list[tuple[int, str]]) -> None:
    text = secret
    for place, sign in inserted:
        at = min(place, len(text))
        text = text[:at] + sign + text[at:]
    assert blocked(text)


@given(st.sampled_from(SECRETS), st.sampled_from(TABLES), st.sets(st.integers(0, 40)))
def test_look_alikes_and_styled_letters_hide_nothing(secret: str, table: dict[int, str], places: set[int]) -> None:
    text = "".join(sign.translate(table) if place in places else sign for place, sign in enumerate(secret))
    assert blocked(text)


@given(st.sampled_from(SECRETS), st.sampled_from((" ", "\u00a0", "\u2003", "  ")))
def test_spaced_out_letters_hide_nothing(secret: str, gap: str) -> None:
    assert blocked(gap.join(secret.replace(" ", "")))


@given(
    st.sampled_from(IDENTIFIERS), st.lists(st.sampled_from(("", " ", ".", "-", "/", "_", " - ", "•", "*")), max_size=30)
)
def test_separators_inside_identifiers_hide_nothing(secret: str, gaps: list[str]) -> None:
    text = "".join(sign + (gaps[place] if place < len(gaps) else "") for place, sign in enumerate(secret))
    assert blocked("x " + text + " x")


@given(st.sampled_from(SECRETS), st.booleans())
def test_case_and_accents_hide_nothing(secret: str, upper: bool) -> None:
    text = secret.upper() if upper else secret.lower()
    assert blocked("".join(sign + ("\u0301" if sign.isalpha() else "") for sign in text))


@pytest.mark.parametrize("secret", SECRETS[:4])
def test_letters_in_the_place_of_digits_hide_nothing(secret: str) -> None:
    half = len(secret) // 2
    assert blocked(secret[:half] + secret[half:].translate(LETTERS_FOR_DIGITS))


@given(st.sampled_from(SECRETS), st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=200)
def test_what_stands_around_a_secret_on_other_lines_hides_nothing(secret: str, before: str, after: str) -> None:
    quiet = str.maketrans("", "", string.printable)
    assert blocked(before.translate(quiet) + "\n\n\n\n\n" + secret + "\n\n\n\n\n" + after.translate(quiet))


@pytest.mark.parametrize(
    "words",
    [
        "quattro uno uno uno uno uno uno uno uno uno uno uno uno uno uno uno",
        "tre quattro sette uno due tre quattro cinque sei sette",
        "trequattrosetteunoduetrequattrocinqueseisette",
        "three four seven one two three four five six seven",
        "trentaquattro settantuno ventitre quarantacinque sessantasette",
        "thirty-four seventy-one twenty-three forty-five sixty-seven",
        "il pin è quattro otto due uno",
    ],
)
def test_numbers_written_as_words_are_numbers(words: str) -> None:
    assert blocked(words)


@pytest.mark.parametrize("words", ["uno o due giorni", "sei stato gentile", "uno due tre, via!", "one or two days"])
def test_number_words_in_ordinary_speech_are_words(words: str) -> None:
    assert not blocked(words)


def test_text_turned_round_by_an_override_is_read_as_it_is_shown() -> None:
    assert blocked("\u202e" + "il suo conto è bloccato"[::-1])
