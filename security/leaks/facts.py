"""Known facts of one customer, searched under evasion; and what is public already and may be said again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from security.leaks.findings import BLOCK, Leak, Leaks
from security.leaks.folding import fold
from security.leaks.streams import BREAK, Stream, stream_of

# Signs that stand for one another collapse into one, so that "R0ss1" and "Rossi" compare equal; digits stay distinct.
_SKELETON: Final = str.maketrans("01l234578", "oiizeastb")
_SHORT: Final = 5


@dataclass(frozen=True)
class Fact:
    """Something the bank's files say of the bound customer; `kind` is a label such as name, city, phone, product."""

    kind: str
    value: str


def skeleton(text: str) -> str:
    """The letters and digits of a text, with signs that look alike made equal."""
    return stream_of(fold(text)).text.replace(BREAK, "").translate(_SKELETON)


def _name_forms(value: str) -> Iterator[str]:
    parts = re.findall(r"[^\W\d_]+", value)
    yield from (part for part in parts if len(part) > 2)
    yield from (first + second for first, second in pairwise(parts))
    if len(parts) > 1:
        yield "".join(reversed(parts))


def _number_forms(value: str) -> Iterator[str]:
    digits = re.sub(r"\D", "", value)
    national = re.sub(r"^(?:\+|00)39", "", value.strip())
    for form in (digits, re.sub(r"\D", "", national)):
        if len(form) >= _SHORT:
            yield form


def _date_forms(value: str) -> Iterator[str]:
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", value.strip())
    if match:
        year, month, day = match.groups()
        yield from (day + month + year, day + month + year[2:], f"{int(day)}{int(month)}{year}", month + day + year)


def _needles(fact: Fact) -> set[str]:
    """Every skeleton to look for; single characters are no facts."""
    forms = [fact.value, *_number_forms(fact.value), *_date_forms(fact.value)]
    if "name" in fact.kind:
        forms += _name_forms(fact.value)
    return {needle for needle in map(skeleton, forms) if len(needle) > 1}


class Allowed:
    """Strings that the author's own profile and thread show: whatever they contain as whole words may be repeated."""

    def __init__(self, strings: Iterable[str]) -> None:
        self._original = "\n|||||\n".join(sorted(strings))
        self._stream = stream_of(fold(self._original))
        self._text = self._stream.text.translate(_SKELETON)

    def covers(self, said: str) -> bool:
        """Whether `said` is among the allowed strings, read as evasions are read, with or without +39."""
        if not self._text:
            return False
        forms = {skeleton(said), *map(skeleton, _number_forms(said))}
        return any(
            next(_whole_words(self._stream, self._text, form, self._original), None) is not None
            for form in forms
            if form
        )


def _edge(stream: Stream, at: int, original: str) -> bool:
    """Whether a word may begin or end before character `at`: at a gap, between letter and digit, before a capital."""
    if at in (0, len(stream.text)) or stream.token_starts(at):
        return True
    before = original[stream.span(at - 1, at)[0]]
    after = original[stream.span(at, at + 1)[0]]
    return before.isdigit() != after.isdigit() or (before.islower() and after.isupper())


def _is_natural(stream: Stream, start: int, end: int) -> bool:
    """Whether a short needle was put together from parts of neighbouring words ("mari o"), which is no evasion."""
    gaps = [at for at in range(start + 1, end) if stream.token_starts(at)]
    if not gaps or end - start >= _SHORT:
        return False
    return len(gaps) < end - start - 1


def _whole_words(stream: Stream, text: str, needle: str, original: str) -> Iterator[tuple[int, int]]:
    start = text.find(needle)
    while start >= 0:
        end = start + len(needle)
        if _edge(stream, start, original) and _edge(stream, end, original) and not _is_natural(stream, start, end):
            yield start, end
        start = text.find(needle, start + 1)


def find_facts(stream: Stream, original: str, facts: Iterable[Fact]) -> Leaks:
    """Each fact as a whole word or words, whatever separates or replaces its characters; `detail` is its kind."""
    text = stream.text.translate(_SKELETON)
    for fact in facts:
        for needle in _needles(fact):
            for start, end in _whole_words(stream, text, needle, original):
                yield Leak(*stream.span(start, end), "fact", BLOCK, fact.kind)
