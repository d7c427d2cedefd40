"""Payment card numbers: Luhn digit, issuer prefix with its lengths (ISO/IEC 7812), never a part of a longer number."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from security.leaks.findings import BLOCK, Leak, Leaks
from security.leaks.folding import View
from security.leaks.streams import Token, windows

# Prefixes of the big schemes and the lengths they issue.
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d|81\d\d|82\d\d|220[0-4]|35[2-8]\d)\d{12,15}"
    r"|3(?:0[0-5]|095|[689])\d{11,16}"
    r"|(?:5[0678]|6\d)\d{11,17}"
)

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn_remainder(digits: str) -> int:
    """Zero for a number whose last digit is its Luhn digit (ISO/IEC 7812-1, annex B)."""
    plain = sum(map(int, digits[-1::-2]))
    return (plain + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10


def _is_counting(groups: list[Token]) -> bool:
    """Whether the groups are 7, 8, 9, 10 and so on: a list, not a number."""
    numbers = [int(token.digits) for token in groups]
    return len(numbers) > 2 and all(after == before + 1 for before, after in pairwise(numbers))


def find_cards(view: View, row: list[Token]) -> Leaks:
    """Full card numbers made of whole groups of the row; the longest from each group on."""
    best = {
        start: end
        for digits, groups, start, end in windows(row, 13, 19)
        if _ISSUERS.fullmatch(digits)
        and luhn_remainder(digits) == 0
        and len(set(digits)) > 1
        and not _is_counting(groups)
    }
    for start, end in best.items():
        yield Leak(*view.span(start, end), "card", BLOCK)


_TAIL: Final = re.compile(
    r"\b(?:cart[ae]|bancomat|card|visa|mastercard|maestro|conto|account|iban)\b[^.!?\n]{0,40}?"
    r"(?:termina\w*|finisce|finit[ao]|finale|ultime (?:4|quattro) cifre|ending|ends|last (?:4|four) digits)"
    r"(?:\W{1,3}(?:in|con|per|e|sono|are|is|with|the))?\W{0,3}(?P<tail>\d{4})(?!\d)"
    r"|(?P<stars>(?:[*x#]{4}[ -]?){1,3}\d{4})(?!\d)"
)


def find_card_tails(view: View) -> Leaks:
    """The last four digits, named as such or behind asterisks: they single out one of the customer's cards."""
    for match in _TAIL.finditer(view.text):
        group = "tail" if match["tail"] else "stars"
        yield Leak(*view.span(*match.span(group)), "card_tail", BLOCK)
