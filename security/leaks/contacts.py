"""Telephone numbers and e-mail addresses, written in digits and signs or spelled out."""

from __future__ import annotations

import re
from typing import Final

from security.leaks.findings import BLOCK, WARN, Leak, Leaks, Severity
from security.leaks.folding import View
from security.leaks.streams import Token, windows

_COUNTRY_CODE: Final = re.compile(
    r"1|7|2(?:[07]|[1-689]\d)|3(?:[0-469]|[578]\d)|4(?:[013-9]|2\d)|5(?:[1-8]|[09]\d)|6(?:[0-6]|[7-9]\d)"
    r"|8(?:[1246]|[0578]\d)|9(?:[0-58]|[679]\d)"
)
_MOBILE: Final = re.compile(r"3[2-9]\d{8}")
_LANDLINE: Final = re.compile(r"0[1-9]\d{6,9}")
_AREA: Final = re.compile(r"0[1-9]\d{0,3}")
_AMERICAN: Final = re.compile(r"(?<![\w.+])\(?[2-9]\d{2}\)?[ .-]{1,2}[2-9]\d{2}[.-]\d{4}(?![\w])")
_REFERENCE: Final = re.compile(
    r"\b(?:ordine|ord|pratica|ticket|segnalazione|reclamo|rif|riferimento|protocollo|prot|fattura|pratiche|order|case"
    r"|ref|reference|invoice|complaint|spedizione|tracking|codice|capitolato|delibera|comunicato|post)\b[^.!?\n]{0,20}$"
)
_TIME: Final = r"(?:[01]?\d|2[0-4])[.:][0-5]\d"
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])(?:[./-](?:19|20)?\d{2})?"
_ISO_DAY: Final = r"(?:19|20)\d{2}-\d{2}-\d{2}"
_CALENDAR: Final = re.compile(rf"(?:{_TIME}|{_DAY}|{_ISO_DAY})(?:[ /,;-]{{1,3}}(?:{_TIME}|{_DAY}|{_ISO_DAY}))*")
_FREE: Final = ("800", "803")


def is_calendar(view: View, row: list[Token]) -> bool:
    """Whether the row is nothing but dates and times of day, as in opening hours."""
    spelled_out = all(len(token.digits) == 1 for token in row)
    return not spelled_out and _CALENDAR.fullmatch(view.text, row[0].start, row[-1].end) is not None


def _international(view: View, row: list[Token]) -> Leaks:
    for first, token in enumerate(row):
        plus = view.text.find("+", max(0, token.start - 3), token.start)
        zeros = plus < 0 and token.digits.startswith("00")
        if plus < 0 and not zeros:
            continue
        digits, end = "", token.start
        for part in row[first : first + 17]:
            if len(digits) + len(part.digits) > (17 if zeros else 15):
                break
            digits, end = digits + part.digits, part.end
        number = digits[2:] if zeros else digits
        code = _COUNTRY_CODE.match(number)
        if code and 9 <= len(number) <= 15 and (code[0] not in ("1", "7") or len(number) == 11):
            yield Leak(*view.span(token.start if zeros else plus, end), "phone", BLOCK, "international")


def _severity(view: View, start: int) -> Severity:
    return WARN if _REFERENCE.search(view.text, max(0, start - 40), start) else BLOCK


def _tight(view: View, start: int, end: int) -> bool:
    """Whether commas or line ends stand between the groups: those are lists and sums, not numbers to call."""
    return not any(mark in view.text[start:end] for mark in (",", "\n", ":", ";", "€", "%"))


def _italian(view: View, row: list[Token]) -> Leaks:
    for digits, groups, start, end in windows(row, 8, 12):
        if digits.startswith("39") and _MOBILE.fullmatch(digits[2:]):
            yield Leak(*view.span(start, end), "phone", _severity(view, start), "mobile")
        elif not _tight(view, start, end):
            continue
        elif _MOBILE.fullmatch(digits):
            yield Leak(*view.span(start, end), "phone", _severity(view, start), "mobile")
        elif _LANDLINE.fullmatch(digits):
            head = groups[0].digits
            single = len(head) == len(digits) or len(head) == 1
            if single or _AREA.fullmatch(head):
                yield Leak(*view.span(start, end), "phone", _severity(view, start), "landline")


def find_phones(view: View, row: list[Token]) -> Leaks:
    """Numbers with a country code, Italian mobile and landline numbers; a warning only after "ordine" and the like.

    Free-phone numbers (800, 803) belong to firms and tell nothing about a customer: they pass.
    """
    yield from _international(view, row)
    yield from _italian(view, row)


def find_american_phones(view: View) -> Leaks:
    """Numbers grouped the North American way."""
    for match in _AMERICAN.finditer(view.text):
        if not match[0].lstrip("(").startswith(_FREE):
            yield Leak(*view.span(*match.span()), "phone", BLOCK, "north american")


_MAILBOXES: Final = (
    "gmail googlemail hotmail outlook live msn yahoo ymail libero virgilio tiscali alice tin aruba icloud me mac proton"
    " protonmail pec legalmail fastwebnet inwind iol tim vodafone gmx aol poste"
)
_PROVIDER: Final = re.compile(rf"(?:{'|'.join(_MAILBOXES.split())})\.[a-z.]{{2,10}}$")
_OPEN: Final = r"[\[({<]"
_CLOSE: Final = r"[\])}>]"
_SIGN: Final = re.compile(
    rf"\s{{0,2}}(?:{_OPEN}\s?(?:at|chiocciol(?:a|ina)|a|@)\s?{_CLOSE}|@|\bchiocciol(?:a|ina)\b|[-_.]at[-_.])\s{{0,2}}"
    r"|\s(?:at|et)\s(?=[a-z0-9-]{2,30}\s?(?:\[dot\]|\(dot\)|dot|punto|\[punto\]|\(punto\))\s?[a-z]{2,6})"
    rf"|\s(?:at|et)\s(?=(?:{'|'.join(_MAILBOXES.split())})\s?\.\s?[a-z]{{2,5}})"
)
_DOT: Final = re.compile(
    rf"\s{{0,2}}(?:{_OPEN}\s?(?:dot|punto|\.)\s?{_CLOSE}|\b(?:dot|punto)\b|\s\.\s|\.)\s{{0,2}}(?=[a-z0-9])"
)
_BEFORE: Final = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}$")
_AFTER: Final = re.compile(r"(?:[a-z0-9-]{1,40}\.){1,4}[a-z]{2,18}(?![a-z0-9-])")


def _plain_signs(view: View) -> View:
    signed = view.rewritten(_SIGN, lambda _: "@")
    if "@" not in signed.text:
        return signed
    return signed.rewritten(_DOT, lambda _: ".")


def _is_mention(view: View, start: int, host: str) -> bool:
    """`@giulia@mastodon.example` names an account on a network, unless the host is known for mailboxes."""
    return view.text[max(0, start - 1) : start] == "@" and not _PROVIDER.search(host)


def find_emails(view: View) -> Leaks:
    """Addresses, also with "chiocciola", "at", "punto", "dot" or blanks; `detail` is the host."""
    plain = _plain_signs(view)
    at = plain.text.find("@")
    while at >= 0:
        low = max(0, at - 64)
        before = _BEFORE.search(plain.text[low:at])
        after = _AFTER.match(plain.text, at + 1, at + 200)
        if before and after and not _is_mention(plain, low + before.start(), after[0]):
            yield Leak(*plain.span(low + before.start(), after.end()), "email", BLOCK, after[0])
        at = plain.text.find("@", at + 1)
