"""The sentence around a place in a text, and what kind of sentence it is."""

from __future__ import annotations

import re
from typing import Final

_END: Final = re.compile(r"[.!?…](?=\s|$)|\n|; ")
_REACH: Final = 240

W: Final = r"[\W_]{0,4}"

_SHARING: Final = (
    r"scriv\w*|condivid\w*|condivis\w*|comunic\w*|pubblic\w*|invi\w*|fornir\w*|forni\w*|mett\w*|mand\w*|riport\w*|"
    r"diffond\w*|rivel\w*|dica|dire|dirl\w*|dar\w*|dia|cheder\w*|chied\w*|inserir\w*|inserisc\w*|post\w*|lasci\w*|"
    r"share|sharing|send|sending|publish\w*|give|giving|disclos\w*|tell|telling|write|writing|ask\w*|reveal\w*|put|"
    r"include|paste|type|enter"
)
# "Never write your account number here": the advice that every bank repeats, and which confirms nothing. It ends where
# the phrase begins, with no new clause between: "Do not worry, we write to you: your account is fine" is no advice.
ADVICE: Final = re.compile(
    r"\b(?:non|mai|senza|evit\w*|nessuno|never|not|don\W?t|avoid|without|nobody|no one)\b[^.,:;!?\n]{0,40}?"
    rf"\b(?:{_SHARING})\b[^.:;!?\n]{{0,80}}$"
)
# "If you are a customer ...": says nothing about whether they are.
CONDITION: Final = re.compile(
    r"\b(?:se|qualora|nel caso(?: in cui)?|chi|ove|solo se)\W{1,3}(?:(?:anche|tu|lei|voi|gia|non|invece)\W{1,3}){0,3}"
    r"(?:sei|e|siete|sia|fosse|fossi|foste|fossero|fossimo|hai|ha|avete|abbia|avesse|possiede|"
    r"possiedi)\b[^.!?\n]{0,30}?"
    r"\b(?:client\w+|correntist\w+|titolar\w+|cont[oi]|cart[ae]|mutuo|prestito|deposito)\b"
    r"|\bper (?:i|tutti i|chi e|ogni)\b[^.!?\n]{0,12}\b(?:client[ei]|titolar[ei]|correntist[ai])\b"
    r"|\b(?:i (?:nostri )?clienti|ogni cliente|ciascun cliente) (?:possono|puo|trovano|trova|ricevono|riceve|"
    r"vedono|vede|hanno|ha)\b"
    r"|\b(?:if|when|whether|in case|should|unless)\W{1,3}you(?:\W?re|\W?ve)?\b[^.!?\n]{0,40}?"
    r"\b(?:customers?|clients?|accounts?|cards?|mortgage|loan|with us)\b"
    r"|\bfor (?:all )?(?:our )?customers\b|\b(?:customers|clients|account holders) (?:can|may|will|should|"
    r"receive|find)\b"
)


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Bounds of the sentence that holds `text[start:end]`, looking at most 240 characters to each side."""
    low = max(0, start - _REACH)
    begin = low
    for stop in _END.finditer(text, low, start):
        begin = stop.end()
    after = _END.search(text, end, end + _REACH)
    return begin, after.end() if after else min(len(text), end + _REACH)
