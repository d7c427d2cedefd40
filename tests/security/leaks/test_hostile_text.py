"""No text makes the detectors fail or work out of proportion to its length."""

from __future__ import annotations

import sys
import time
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.leaks import Fact, scan

PATTERNS = (
    "a",
    "0",
    "1 ",
    "it60x",
    "@",
    "a@",
    "a.",
    "suo conto ",
    "4111 ",
    "4111",
    "+39 ",
    "non scrivere ",
    "sessantasei",
    "unounouno ",
    "euro ",
    "1 euro ",
    "saldo ",
    "pin e ",
    "codice e ",
    "se sei ",
    "www.",
    "http://a",
    "\u200b",
    "é",
    "ﷺ",
    "х",
    "s a l d o ",
    "visa termina ",
    "nato il ",
    "****",
    "it",
    "rssgli85c52h501",
    "rossi ",
    "ross1",
    "\ud800",
    "\x00",
    "a" * 39 + " ",
    "(",
    "carta ",
    "12/12 ",
    "3471234567 ",
    "xn--.",
    "\u202e",
)


def steps(text: str) -> int:
    """Function calls, Python's and C's, that one scan makes."""
    count = 0

    def step(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(step)
    try:
        scan(text, facts=(Fact("name", "Giulia Rossi"),))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_twice_the_text_takes_no_more_than_twice_the_steps(pattern: str) -> None:
    once, twice = (pattern * (size // len(pattern)) for size in (2_000, 4_000))
    steps(once)
    assert steps(twice) <= 2.5 * steps(once) + 500


@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_no_pattern_backtracks_without_end(pattern: str) -> None:
    text = pattern * (20_000 // len(pattern)) + "x"
    begun = time.process_time()
    scan(text)
    assert time.process_time() - begun < 20, "some ten times what the slowest needs on a slow machine"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
@settings(max_examples=300)
def test_any_unicode_text_is_read(text: str) -> None:
    for leak in scan(text, facts=(Fact("name", text[:5]),)):
        assert 0 <= leak.start < leak.end <= len(text)


@given(st.text(alphabet="0123456789 .-/+@ilosaeconturPINIBAN:€,euro", max_size=120))
@settings(max_examples=300)
def test_any_text_of_the_detectors_own_letters_is_read(text: str) -> None:
    for leak in scan(text):
        assert 0 <= leak.start < leak.end <= len(text)
