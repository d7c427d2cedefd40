"""Codes that name a person, a firm or a bank: codice fiscale, partita IVA, identity documents, dates of birth, BIC."""

from __future__ import annotations

import re
from typing import Final

from security.leaks.cards import luhn_remainder
from security.leaks.findings import BLOCK, WARN, Leak, Leaks
from security.leaks.folding import View
from security.leaks.iban import STRUCTURES, even_value, odd_value
from security.leaks.streams import Stream, Token, windows

# Digits may be replaced by letters from the right where two people would share a code (omocodia, DM 23-12-1976).
_OMOCODIA: Final = str.maketrans("lmnpqrstuv", "0123456789")
_AS_DIGIT: Final = str.maketrans("oizb", "0128")
_AS_LETTER: Final = str.maketrans("0158", "oisb")
_D: Final = "[0-9lmnpqrstuvoizb]"
_L: Final = "[a-z0158]"
_TAX_CODE: Final = re.compile(rf"(?=({_L}{{6}}{_D}{{2}}[abcdehlmprst]{_D}{{2}}{_L}{_D}{{3}}{_L}))")
_LETTERS_AT: Final = frozenset((0, 1, 2, 3, 4, 5, 8, 11, 15))


def _tax_code(raw: str) -> str:
    return "".join(
        character.translate(_AS_LETTER if place in _LETTERS_AT else _AS_DIGIT) for place, character in enumerate(raw)
    )


def find_tax_codes(stream: Stream) -> Leaks:
    """Codici fiscali: with a right check character they block, one whole token with a wrong one warns."""
    for match in _TAX_CODE.finditer(stream.text):
        start, end = match.span(1)
        alone = stream.token_starts(start) and stream.token_ends(end)
        whole = stream.places[end - 1] - stream.places[start] == 15
        if sum(map(str.isdigit, match[1])) < 4 and not (alone and whole):
            continue
        code = _tax_code(match[1])
        day = int((code[9:11]).translate(_OMOCODIA)) % 40
        if not 1 <= day <= 31:
            continue
        total = sum(map(odd_value, code[:15:2])) + sum(map(even_value, code[1:15:2]))
        if total % 26 == even_value(code[15]):
            yield Leak(*stream.span(start, end), "tax_code", BLOCK)
        elif alone and whole and sum(map(str.isdigit, match[1])) >= 5:
            yield Leak(*stream.span(start, end), "tax_code_like", WARN)


_VAT_WORDS: Final = re.compile(r"p\W{0,2}iva\b|partita\W{0,3}iva|\bvat\b|part\W{0,2}iva")
_OFFICES: Final = frozenset((*range(1, 101), 120, 121, 888, 999))


def find_vat_numbers(view: View, row: list[Token]) -> Leaks:
    """Partite IVA: eleven digits with their check digit and a known office, alone or after the word."""
    for digits, _groups, start, end in windows(row, 11, 11):
        if luhn_remainder(digits) or int(digits[7:10]) not in _OFFICES or int(digits) < 1000:
            continue
        named = _VAT_WORDS.search(view.text, max(0, start - 30), start)
        if named or len(row) == 1:
            yield Leak(*view.span(start, end), "vat", BLOCK)


_GLUED_VAT: Final = re.compile(r"(?<![a-z0-9])it(\d{11})(?![a-z0-9])")
_DOCUMENT: Final = re.compile(
    r"\b(?:carta d\W?identita|documento|c\W?i\W{0,2}e|passaporto|patente|identity card|id card|passport|"
    r"driving licen[cs]e)"
    r"(?:\W{1,3}(?:di guida|elettronica|numero|number|num|nr|no|n|e|is|with|con|il|the)){0,4}\W{1,4}"
    r"(?P<number>[a-z]{1,2}\W?\d{5,7}\W?[a-z]{0,2}|[a-z]{2}\d[a-z0-9]{7}|[a-z]\d[a-z0-9]{7}[a-z]|\d{9})(?![a-z0-9])"
)
_BIRTH: Final = re.compile(
    r"\b(?:nat[oaie]|nascita|born|birth|birthday|compleanno)(?:\W{1,3}[a-z]{1,14}){0,4}?\W{1,4}"
    r"(?P<date>\d{1,2}(?:[./ -]{1,2}\d{1,2}[./ -]{1,2}|\W{1,2}(?:of )?[a-z]{3,10}\W{1,2})(?:19|20)?\d{2}"
    r"|(?:19|20)\d{2}-\d{2}-\d{2})(?!\d)"
)


def find_documents(view: View) -> Leaks:
    """Numbers of identity documents and dates of birth, said to be such; and a partita IVA with its country."""
    for match in _DOCUMENT.finditer(view.text):
        yield Leak(*view.span(*match.span("number")), "identity_document", BLOCK)
    for match in _BIRTH.finditer(view.text):
        yield Leak(*view.span(*match.span("date")), "birth_date", BLOCK)
    for match in _GLUED_VAT.finditer(view.text):
        if not luhn_remainder(match[1]):
            yield Leak(*view.span(*match.span()), "vat", BLOCK)


_COUNTRIES: Final = "|".join(sorted({country.lower() for country in STRUCTURES} | {"us", "ca", "cn", "jp", "in"}))
_BIC: Final = re.compile(rf"(?<![a-z0-9])[a-z]{{4}}(?:{_COUNTRIES})[a-z0-9]{{2}}(?:[a-z0-9]{{3}})?(?![a-z0-9])")
_BIC_WORDS: Final = re.compile(r"\b(?:bic|swift)\b")


def find_bics(view: View, original: str) -> Leaks:
    """Bank identifiers (ISO 9362) near their name, or unmistakable by a digit or the ending XXX: a weak sign."""
    for match in _BIC.finditer(view.text):
        place = view.span(*match.span())
        if not original[place[0] : place[1]].isupper():
            continue
        code = match[0]
        named = _BIC_WORDS.search(view.text, max(0, match.start() - 30), match.start())
        if named or code.endswith("xxx") or any(map(str.isdigit, code)):
            yield Leak(*place, "bic", WARN)
