"""Numbers written as words, Italian and English, from nought to ninety-nine, digit by digit or in pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from security.leaks.folding import View

_ITALIAN_UNITS: Final = """
    zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici
    diciassette diciotto diciannove
"""
_ENGLISH_UNITS: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_ITALIAN: Final = _ITALIAN_UNITS.split()
_ENGLISH: Final = _ENGLISH_UNITS.split()
_ITALIAN_TENS: Final = ("venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta")
_ENGLISH_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def _italian_compounds() -> dict[str, str]:
    words = {}
    for ten, name in enumerate(_ITALIAN_TENS, 2):
        words[name] = f"{ten}0"
        for unit in range(1, 10):
            stem = name[:-1] if unit in (1, 8) else name
            words[stem + _ITALIAN[unit]] = f"{ten}{unit}"
    return words


def _english_compounds() -> dict[str, str]:
    words = {}
    for ten, name in enumerate(_ENGLISH_TENS, 2):
        words[name] = f"{ten}0"
        words |= {name + _ENGLISH[unit]: f"{ten}{unit}" for unit in range(1, 10)}
        words |= {f"{name}-{_ENGLISH[unit]}": f"{ten}{unit}" for unit in range(1, 10)}
    return words


DIGITS_OF: Final = (
    {word: str(number) for number, word in enumerate(_ITALIAN)}
    | {word: str(number) for number, word in enumerate(_ENGLISH)}
    | _italian_compounds()
    | _english_compounds()
    | {"un": "1", "oh": "0", "nil": "0", "nought": "0"}
)


def _any_of(words: Iterable[str]) -> str:
    """A pattern of the words, the longest that fits first; by their first two letters, since most places fit none."""
    groups = groupby(sorted(words), key=lambda word: word[:2])
    return "|".join(f"{head}(?:{_longest_first(word[2:] for word in group)})" for head, group in groups)


def _longest_first(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_WORD: Final = _any_of(DIGITS_OF)
_NUMBER_WORD: Final = re.compile(_WORD)
# Two in a row, or three glued together: one alone is mostly an article or a verb ("uno", "sei").
# Possessive repetition: "sessantasei" reads as one word or as two, and must not be tried both ways at every turn.
_ROW: Final = re.compile(
    rf"(?<![a-z0-9])(?:(?:{_WORD}|[0-9]{{1,8}})(?:[\W_]{{1,3}}|(?![a-z0-9]))){{2,}}+"
    rf"|(?<![a-z0-9])(?:{_WORD}){{3,}}+(?![a-z])"
)


def _digits(match: re.Match[str]) -> str:
    return _NUMBER_WORD.sub(lambda word: DIGITS_OF[word[0]], match[0])


def spoken_numbers(view: View) -> View:
    """The view with rows of number words written as digits ("zero uno due" → "0 1 2")."""
    return view.rewritten(_ROW, _digits)
