"""Sums of money next to words of account keeping: a balance, a transfer, a charge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from security.leaks.findings import BLOCK, WARN, Leak, Leaks, Severity
from security.leaks.folding import View
from security.leaks.numerals import DIGITS_OF
from security.leaks.sentences import sentence_around

_CURRENCY: Final = r"(?:€|eur[oi]?s?\b|£|gbp\b|sterline\b|pounds?\b|\$|usd\b|dollar[oi]?s?\b|chf\b|franchi\b)"
_NUMBER: Final = r"(?<![\d.,])\d{1,9}(?:[., ']\d{3}){0,4}(?:[.,]\d{1,2})?(?![\d])"
_NUMBER_WORD: Final = "|".join(
    [*sorted(DIGITS_OF, key=len, reverse=True), "cento", "mille", "mila", "hundred", "thousand"]
)
_SPOKEN: Final = rf"\b(?:{_NUMBER_WORD})(?:[ -]?(?:{_NUMBER_WORD}|and\b|e\b)){{0,9}}+"
_AMOUNT: Final = re.compile(
    rf"{_CURRENCY}\W{{0,2}}{_NUMBER}|{_NUMBER}\W{{0,2}}{_CURRENCY}|{_SPOKEN}\W{{0,2}}{_CURRENCY}"
)
_BARE: Final = re.compile(
    r"(?<![\d.,/:-])(?:\d{1,3}(?:[. ']\d{3}){0,4},\d{2}|(?<!alle )(?<!ore )(?<!at )\d{1,9}\.\d{2})(?![\d.,/%:-]|\s?%)"
)
_ACCOUNT_WORDS: Final = re.compile(
    r"\b(?:sald[oi]|giacenz[ae]|disponibilita|disponibile|bonific\w+|\w{0,3}addebit\w+|\w{0,3}accredit\w+|"
    r"domiciliazion\w+|(?:sul|dal|nel) conto|stipendio|pensione|"
    r"rat[ae]|preliev\w+|"
    r"prelevat\w+|moviment[oi]|rimbors\w+|storn\w+|scopert[oi]|fido|debito|debiti|esposizione|insolut\w+|"
    r"versa(?:mento|menti|to)|"
    r"pagament\w+|pagat[oaie]|giroconto|transazion\w+|trattenut\w+|plafond|mutuo|prestito|"
    r"on (?:the|your|her|his) account|balance|overdraft|transfer\w*|debit\w*|charg(?:e|ed|es|ing)|credited|"
    r"withdr\w+|payments?|paid|refund\w*|salary|"
    r"instal+ments?|transactions?|deposit(?:ed|s)?|owe[sd]?|owing|arrears|mortgage|loan)\b"
)
_HOLDING: Final = re.compile(
    r"\b(?:sald[oi]|giacenza|disponibilita|balance|overdraft|scoperto|addebit\w+|bonific[oi]|transfer)\b"
)
_GENERIC: Final = re.compile(
    r"\b(?:impost[ae]|bollo|tass[ae]|per legge|di legge|legge|normativa|canon[ei]|commission[ei]|cost[oai]|"
    r"costano|tariff\w+|gratuit\w+|"
    r"fino a|massim\w+|minim\w+|a partire da|superior[ei]|inferior[ei]|oltre|supera\w*|limit[ei]|soglia|"
    r"garantit\w+|fondo|promozione|"
    r"foglio informativo|in generale|all anno|l anno|annu[oai]|al mese|mensil[ei]|ogni|tutti|spes[ae]|"
    r"fees?|costs?|up to|at least|maximum|minimum|limits?|over|above|below|threshold|tax|stamp duty|law|"
    r"per (?:year|month)|a (?:year|month)|"
    r"in general|every|annual|monthly|guarante\w+|protected|free)\b|all'anno|l'anno|d'anno"
)
_TARIFF: Final = re.compile(r"\b(?:cost[ai]|costano|costo|canon[ei]|commission[ei]|tariff\w+|fees?|costs?)\b")
_PERSONAL: Final = re.compile(
    r"\b(?:su[oae]|suoi|tu[oae]|tuoi|vostr[oaie]|le abbiamo|ti abbiamo|vi abbiamo|l abbiamo|le e|ti e|"
    r"le sono|ti sono|lei|"
    r"abbiamo (?:addebitat|accreditat|rimborsat|stornat|trattenut|pagat|ricevut|verificat)\w*|"
    r"your|yours|we(?: have|'ve)? (?:charged|debited|credited|refunded|paid|received|returned|sent)|you (?:have|"
    r"had|paid|sent|received|owe|were|withdrew|transferred))\b"
)
_IF: Final = re.compile(r"\b(?:se|qualora|if|when|quando)\b")
# Sums that the law sets and every bank quotes: stamp duty, its threshold, the deposit guarantee.
_STATUTORY: Final = frozenset(
    {
        "34.20",
        "34,20",
        "100.000",
        "100,000",
        "100000",
        "100",
        "5.000",
        "5,000",
        "5000",
        "77.47",
        "77,47",
        "2",
        "2,00",
        "2.00",
    }
)


def _is_round(amount: str) -> bool:
    figures = re.findall(r"[\d.,]*\d", amount)
    return all(
        figure in _STATUTORY or re.fullmatch(r"\d{1,3}(?:[.,]?[05]00)*|\d{0,4}[05]", figure) for figure in figures
    )


def _judge(text: str, start: int, end: int) -> Severity | None:
    low, high = sentence_around(text, start, end)
    sentence = text[low:high]
    if not _ACCOUNT_WORDS.search(sentence):
        return None
    condition, usual = _IF.search(sentence), _is_round(text[start:end])
    generic = _GENERIC.search(sentence) or condition
    if _PERSONAL.search(sentence):
        return WARN if condition and generic and usual else BLOCK
    if not generic:
        return BLOCK
    if _TARIFF.search(sentence):
        return None
    return None if usual else WARN


def find_amounts(view: View) -> Leaks:
    """A sum in a sentence about an account blocks; in one about tariffs or the law it warns, or passes when round.

    A figure with cents and no currency counts right after a word like "saldo".
    """
    for match in (*_AMOUNT.finditer(view.text), *_bare_amounts(view.text)):
        severity = _judge(view.text, *match.span())
        if severity is not None:
            yield Leak(*view.span(*match.span()), "amount", severity)


def _bare_amounts(text: str) -> Iterator[re.Match[str]]:
    for word in _HOLDING.finditer(text):
        bare = _BARE.search(text, word.end(), word.end() + 30)
        if bare:
            yield bare
