"""Reads a text as a person would: evasions are folded away, and every letter keeps its place in the original.

A `View` is a plain lower-case text plus, for each of its characters, where it came from. Detectors search views and
report places in the original.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from security.leaks.lookalikes import BLANK, BOXED_ALPHABETS, INVISIBLE, LATIN_OF

_LINE_ENDS: Final = frozenset("\n\r\v\f\x85\u2028\u2029")
_NO_ROOM: Final = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Mc"})
_RIGHT_TO_LEFT: Final = frozenset("\u202e\u2067\u202b")


@dataclass(frozen=True)
class View:
    """A text to search; character `i` stands for `original[starts[i]:ends[i]]`."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of `text[start:end]`, which must not be empty; also right for a reversed view."""
        return min(self.starts[start], self.starts[end - 1]), max(self.ends[start], self.ends[end - 1])

    def rewritten(self, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]) -> View:
        """A view with each match replaced; the characters of a replacement stand for the whole match."""
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        kept = 0
        for match in pattern.finditer(self.text):
            new = replacement(match)
            if new == match[0]:
                continue
            start, end = match.span()
            pieces += (self.text[kept:start], new)
            starts += self.starts[kept:start]
            ends += self.ends[kept:start]
            if len(new) == end - start:
                starts += self.starts[start:end]
                ends += self.ends[start:end]
            else:
                place = self.span(start, end)
                starts += [place[0]] * len(new)
                ends += [place[1]] * len(new)
            kept = end
        if not kept:
            return self
        pieces.append(self.text[kept:])
        starts += self.starts[kept:]
        ends += self.ends[kept:]
        return View("".join(pieces), starts, ends)


@lru_cache(maxsize=8192)
def _fold_character(character: str) -> str:
    if character in LATIN_OF:
        return LATIN_OF[character]
    if character in _LINE_ENDS:
        return "\n"
    category = unicodedata.category(character)
    if character in BLANK or character.isspace():
        return " "
    if category in _NO_ROOM or character in INVISIBLE:
        return ""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    for first in BOXED_ALPHABETS:
        if first <= ord(character) < first + 26:
            return chr(ord("a") + ord(character) - first)
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(LATIN_OF.get(part, part) for part in parts if unicodedata.category(part) != "Mn")
    return plain.casefold()


def fold(text: str) -> View:
    """Undo full-width and styled letters, accents, case, look-alikes, and everything that cannot be seen."""
    if text.isascii() and text.isprintable() and "`" not in text:
        return View(text.lower(), range(len(text)), range(1, len(text) + 1))
    pieces: list[str] = []
    starts: list[int] = []
    for place, character in enumerate(text):
        folded = _fold_character(character)
        pieces.append(folded)
        if len(folded) == 1:
            starts.append(place)
        else:
            starts += [place] * len(folded)
    return View("".join(pieces), starts, [start + 1 for start in starts])


_SINGLES: Final = re.compile(r"(?<!\S)[^\s](?:[ \t]{1,3}[^\s]){3,}(?!\S)")
_PUNCTUATION_INSIDE: Final = re.compile(r"(?<=[a-z])[^a-z0-9\s@]{1,3}(?=[a-z])")
_MIXED_WORD: Final = re.compile(r"(?=[0-9|!$@]{0,20}[a-z])(?=[a-z]{0,30}[0-9|!$@])[a-z0-9|!$@]{3,40}")
_LEET: Final = str.maketrans("034578|!$@", "oeastbiisa")


def _without_spaces(match: re.Match[str]) -> str:
    return re.sub(r"\s", "", match[0])


def _nothing(_match: re.Match[str]) -> str:
    return ""


def _but_the_last(match: re.Match[str]) -> str:
    return _without_spaces(match)[:-1] + match[0][-2:]


def spoken_letters(view: View) -> View:
    """Letters that stand one by one ("s a l d o") drawn together."""
    return view.rewritten(_SINGLES, _without_spaces)


def spoken_letters_before_a_word(view: View) -> View:
    """The same where the last of them is a word of its own ("p i n è 1234")."""
    return view.rewritten(_SINGLES, _but_the_last)


def reversed_view(view: View) -> View:
    """The text from its end, as a right-to-left override shows it."""
    return View(view.text[::-1], view.starts[::-1], view.ends[::-1])


_MASK: Final = re.compile(r"[0-9|!$@]")


def _unmasked(view: View, one: str) -> View:
    if _MASK.search(view.text) is None:
        return view

    def letters(match: re.Match[str]) -> str:
        return match[0].translate(_LEET).replace("1", one)

    return view.rewritten(_MIXED_WORD, letters)


def word_views(text: str) -> Iterator[View]:
    """Every distinct way to read the words of a text; the plain one first."""
    base = fold(text)
    together = (spoken_letters(base), spoken_letters_before_a_word(base))
    readings = [base, *(reading for reading in together if reading is not base)]
    if not _RIGHT_TO_LEFT.isdisjoint(text):
        readings.append(reversed_view(base))
    seen: set[str] = set()
    for reading in readings:
        whole = reading.rewritten(_PUNCTUATION_INSIDE, _nothing)
        views = [reading, whole, _unmasked(whole, "i")]
        if "1" in whole.text:
            views.append(_unmasked(whole, "l"))
        for view in views:
            if view.text not in seen:
                seen.add(view.text)
                yield view
