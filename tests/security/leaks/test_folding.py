from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.leaks.folding import fold, reversed_view, spoken_letters, word_views
from security.leaks.streams import stream_of


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ｓａｌｄｏ", "saldo"),
        ("ѕаlԁо", "saldo"),
        ("perché", "perche"),
        ("co\u200bnto", "conto"),
        ("①②③", "123"),
        ("٣٤", "34"),
        ("🅒🅞🅝🅣🅞", "conto"),
        ("🇮🇹60", "it60"),
        ("ﬁdo", "fido"),
        ("a\u3164b\u2800c\ud800d", "ab cd"),
        ("riga\r\u2028riga", "riga\n\nriga"),
        ("l’utenza – sì", "l'utenza - si"),
    ],
)
def test_a_text_is_read_as_a_person_reads_it(written: str, read: str) -> None:
    assert fold(written).text == read


@given(st.text())
def test_every_character_of_a_view_has_a_place_in_the_original(text: str) -> None:
    for view in word_views(text):
        assert len(view.text) == len(view.starts) == len(view.ends)
        assert all(0 <= start < end <= len(text) for start, end in zip(view.starts, view.ends, strict=True))


def test_a_span_covers_what_was_written_and_not_what_was_read() -> None:
    text = "ok: \u200bＰ\u0301ＩＮ!"
    view = fold(text)
    at = view.text.index("pin")
    start, end = view.span(at, at + 3)
    assert text[start:end] == "Ｐ\u0301ＩＮ"


def test_letters_drawn_together_keep_their_places() -> None:
    text = "il s a l d o qui"
    view = spoken_letters(fold(text))
    at = view.text.index("saldo")
    start, end = view.span(at, at + 5)
    assert text[start:end].startswith("s a l d o")


def test_a_replacement_of_equal_length_keeps_each_place() -> None:
    view = fold("abc").rewritten(re.compile("b"), lambda _: "x")
    assert (view.text, list(view.starts), list(view.ends)) == ("axc", [0, 1, 2], [1, 2, 3])


def test_a_reversed_view_reports_places_in_the_original() -> None:
    view = reversed_view(fold("otnoc"))
    assert view.text == "conto"
    assert view.span(0, 3) == (2, 5)


def test_a_stream_breaks_where_a_gap_is_too_wide_to_be_read_across() -> None:
    assert stream_of(fold("ab-cd     ef")).text == "abcd|ef"
