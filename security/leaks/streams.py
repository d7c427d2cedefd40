"""Two ways to read identifiers whatever separates their characters: all letters and digits, or rows of digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from security.leaks.folding import View

_TOKEN: Final = re.compile(r"[a-z0-9]+")
_WIDEST_GAP: Final = 4
BREAK: Final = "|"
_NOWHERE: Final = -1


@dataclass(frozen=True)
class Stream:
    """The letters and digits of a view without what stands between; `|` where a gap is too wide to be read across.

    `places[i]` is the place in the view of character `i`.
    """

    view: View
    text: str
    places: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of `text[start:end]`, which must not begin or end with a break."""
        return self.view.span(self.places[start], self.places[end - 1] + 1)

    def token_starts(self, at: int) -> bool:
        """Whether a token of the view begins with character `at`."""
        return at == 0 or self.places[at] != self.places[at - 1] + 1

    def token_ends(self, at: int) -> bool:
        """Whether a token of the view ends before character `at`."""
        return at == len(self.text) or self.places[at] != self.places[at - 1] + 1


def stream_of(view: View) -> Stream:
    """Draw the letters and digits of a view together."""
    pieces: list[str] = []
    places: list[int] = []
    last = 0
    for token in _TOKEN.finditer(view.text):
        start, end = token.span()
        if start - last > _WIDEST_GAP:
            pieces.append(BREAK)
            places.append(_NOWHERE)
        pieces.append(token[0])
        places.extend(range(start, end))
        last = end
    return Stream(view, "".join(pieces), places)


@dataclass(frozen=True)
class Token:
    """A group of digits in a view: `digits` as read, at `start` to `end`."""

    digits: str
    start: int
    end: int


_DIGIT_TOKEN: Final = re.compile(r"[a-z0-9|]+")
_READ_AS: Final = str.maketrans("oilsbzgq|", "011582991")
_LETTERS_LIKE_DIGITS: Final = frozenset("oilsbzgq|")
_LIKEST: Final = frozenset("oil|")
_ALL_LETTERS: Final = re.compile(r"[oil|]{2,8}")
_ITALIAN_WORDS: Final = frozenset(("il", "lo", "io", "li", "oil", "oli", "olio", "illi"))


def _read_digits(token: str, *, after_digits: bool) -> str | None:
    if token.isdigit():
        return token
    letters = [character for character in token if not character.isdigit()]
    if not _LETTERS_LIKE_DIGITS.issuperset(letters):
        return None
    mixed = len(token) > len(letters)
    if mixed and (2 * len(letters) <= len(token) + 1 or _LIKEST.issuperset(letters)):
        return token.translate(_READ_AS)
    if after_digits and not mixed and _ALL_LETTERS.fullmatch(token) and token not in _ITALIAN_WORDS:
        return token.translate(_READ_AS)
    return None


def digit_rows(view: View) -> Iterator[list[Token]]:
    """Rows of digit groups with at most three characters between neighbours."""
    row: list[Token] = []
    for match in _DIGIT_TOKEN.finditer(view.text):
        start, end = match.span()
        near = bool(row) and start - row[-1].end <= _WIDEST_GAP - 1
        digits = _read_digits(match[0], after_digits=near)
        if row and (digits is None or not near):
            yield row
            row = []
        if digits is not None:
            row.append(Token(digits, start, end))
    if row:
        yield row


class Window(NamedTuple):
    """Some neighbouring groups of a row: all their digits, the groups, and their place in the view."""

    digits: str
    groups: list[Token]
    start: int
    end: int


def windows(row: list[Token], shortest: int, longest: int) -> Iterator[Window]:
    """Every run of whole groups with that many digits in all."""
    for first, head in enumerate(row):
        digits = ""
        for last, token in enumerate(row[first : first + longest], first):
            digits += token.digits
            if len(digits) > longest:
                break
            if len(digits) >= shortest:
                yield Window(digits, row[first : last + 1], head.start, token.end)
