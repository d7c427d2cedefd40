"""Sentences that confirm, or deny, that somebody is a customer: to say so in public is itself a breach of secrecy.

"Your mortgage with us" gives the customer away; "if you are a customer" and "for current accounts the duty is" do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from security.leaks.findings import BLOCK, WARN, Leak, Leaks, Severity
from security.leaks.folding import View
from security.leaks.phrases_en import ENGLISH
from security.leaks.phrases_it import ITALIAN
from security.leaks.sentences import ADVICE, CONDITION, W, sentence_around

_NO_FAULT_SEEN: Final = re.compile(
    r"\b(?:disserviz\w+|problem\w*|guast\w+|anomali\w+|rallentament\w+|error[ei]|manutenzione|outages?|disruptions?|incidents?|delays?)\b"
)


@dataclass(frozen=True)
class _Rule:
    """`conditional` says what an "if you are a customer" in the sentence makes of a hit."""

    detail: str
    words: re.Pattern[str]
    glued: re.Pattern[str]
    severity: Severity
    conditional: Severity | None


def _compile(phrase: str, *, bounded: bool) -> re.Pattern[str]:
    """A blank stands for anything but letters and digits, or nothing; `<` and `>` for the edge of a word."""
    edge = r"\b" if bounded else ""
    return re.compile(re.sub(r"(?<!\?)<|>", lambda _: edge, phrase.replace(" ", W)))


def _rules() -> tuple[_Rule, ...]:
    after_condition: dict[str, tuple[Severity, Severity | None]] = {
        "block": (BLOCK, WARN),
        "status": (BLOCK, None),
        "warn": (WARN, None),
    }
    return tuple(
        _Rule(detail, _compile(phrase, bounded=True), _compile(phrase, bounded=False), *after_condition[weight])
        for detail, weight, phrase in (*ITALIAN, *ENGLISH)
    )


_RULES: Final = _rules()
_QUESTION: Final = re.compile(r"[^.!\n]{0,80}\?")


def _severity(rule: _Rule, text: str, start: int, end: int) -> Severity | None:
    low, high = sentence_around(text, start, end)
    sentence = text[low:high]
    if ADVICE.search(text, low, start) or (rule.detail == "records" and _NO_FAULT_SEEN.search(sentence)):
        return None
    if CONDITION.search(sentence):
        return rule.conditional
    if rule.conditional is None and _QUESTION.match(text, end):
        return None
    return rule.severity


def find_relationships(view: View) -> Leaks:
    """Phrases that say what the bank knows of the reader; advice, conditions and questions are told apart."""
    for rule in _RULES:
        for match in rule.words.finditer(view.text):
            severity = _severity(rule, view.text, *match.span())
            if severity is not None:
                yield Leak(*view.span(*match.span()), "relationship", severity, rule.detail)


_LONG_WORD: Final = re.compile(r"[a-z]{8,400}")


def find_glued_relationships(view: View) -> Leaks:
    """The same phrases inside one unnaturally long word, as "i l s u o c o n t o" drawn together."""
    for word in _LONG_WORD.finditer(view.text):
        for rule in _RULES:
            match = rule.glued.search(word[0])
            if match:
                start = word.start()
                yield Leak(
                    *view.span(start + match.start(), start + match.end()), "relationship", rule.severity, rule.detail
                )
