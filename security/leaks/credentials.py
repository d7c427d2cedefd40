"""PINs, card security codes, one-time codes and passwords that a text says, and account numbers said to be such."""

from __future__ import annotations

import re
from typing import Final

from security.leaks.findings import BLOCK, Leak, Leaks
from security.leaks.folding import View

_W: Final = r"[\W_]{1,4}"
_FILLERS: Final = """
    e is was era sara ecco eccolo numero number num n nuovo nuova new vecchio old il lo la the di del della dell per for
    of your tuo tua suo sua vostro mio mia my carta card bancomat accesso app conto temporaneo provvisorio attuale
    seguente following code codice this questo cioe ossia ovvero a cifre digits sms inviato ricevuto that i received
    we sent riportato riportata indicato on back sul retro dietro che le ti abbiamo mandato spedito written printed
    da inserire usare digitare
"""
_BETWEEN: Final = rf"(?:{_W}(?:{'|'.join(_FILLERS.split())}|[3-8](?={_W}(?:cifre|digits)))\b){{0,7}}[\W_]{{0,4}}"
_LINK: Final = rf"(?:{_W}(?:tuo|suo|your|mio|my|di|accesso|the|il|e|is|sara|was|seguente|nuovo|new)\b){{0,5}}"
_FIRST: Final = r"(?<![\d.,])"
_LAST: Final = r"(?![\d%€]|[.,:]\d|\W?(?:cifre|digits|euro|ore|caratteri|characters|giorni|days))"


def _digits(least: int, most: int) -> str:
    return rf"{_FIRST}(?P<value>\d(?:[ ._*/-]{{0,3}}\d){{{least - 1},{most - 1}}}){_LAST}"


_KINDS: Final = (
    ("pin", r"p\.?i\.?n|codice segreto|codice pin|secret code|pin code", 4, 8),
    ("cvv", r"cvv2?|cvc2?|cv2|c\W?v\W?v|codice (?:di )?sicurezza|security code|codice sul retro|cifre sul retro", 3, 4),
    (
        "otp",
        r"otp|one[- ]time (?:pass)?(?:word|code)|passcode|codice (?:di |d )?(?:verifica|conferma|accesso|sicurezza|"
        r"autorizzazione|sblocco|attivazione|sms|monouso|temporaneo|usa e getta|dispositivo)|"
        r"(?:verification|login|access|activation|security|confirmation|unlock) code|token",
        4,
        10,
    ),
)
# Spaced-out letters come drawn together, article and all: "i l p i n 1 2 3 4".
_GLUED: Final = r"(?:il|lo|la|the|your|my|(?:il)?(?:tuo|suo|mio))?"
_NAMED: Final = tuple(
    (kind, re.compile(rf"\b{_GLUED}(?:{words})\b{_BETWEEN}{_digits(least, most)}"))
    for kind, words, least, most in _KINDS
)
_AFTERWARDS: Final = tuple(
    (kind, re.compile(rf"{_digits(least, most)}{_W}(?:e|is|as|come|quale|era|was){_LINK}{_W}(?:{words})\b"))
    for kind, words, least, most in (*_KINDS, ("code", "codice|code", 4, 10))
)
_USE_CODE: Final = re.compile(
    rf"\b(?:us[aei]|enter|inseri\w{{2,4}}|digit\w{{1,3}})\b(?:{_W}(?:the|il|questo|this|following|seguente)\b){{0,2}}{_W}"
    rf"(?:codice|code)\b[\W_]{{1,4}}{_digits(5, 10)}"
)
_CODE: Final = re.compile(
    rf"\b(?:codice|code)\b(?:{_W}(?:che|that|we|le|ti|abbiamo|mandato|inviato|ricevuto|sent|you)\b){{0,5}}"
    rf"(?:{_W}(?:per lei|per te|for you|da (?:inserire|usare|digitare)|to (?:enter|use)))?"
    rf"(?:{_W}(?:e|is|sara|was|era|=)\b|\W?\s?[:=]){_LINK}[\W_]{{1,4}}{_digits(4, 10)}"
)
_PASSWORD: Final = re.compile(
    rf"\b(?:password|pwd|passwd|parola chiave)\b(?:{_W}(?:nuova|temporanea|provvisoria|tua|sua|attuale|new|"
    rf"temporary)\b){{0,2}}"
    r"(?:[\W_]{1,3}(?:e|is|sara)\b\W{1,3}|\s?[:=]\s?)(?P<value>(?=[^\s]{0,30}[0-9!#$%&*])[^\s]{4,40})"
)
_OF_ACCOUNT: Final = re.compile(
    r"\b(?:conto(?: corrente)?|c\W?c|rapporto|account|sort code|numero cliente|codice (?:cliente|utente|titolare)|ndg|"
    r"customer (?:number|id|no)|client (?:number|id)|user ?id|userid|abi|cab|dossier|mandato sepa|polizza|mutuo|"
    r"prestito|carta)"
    rf"(?:{_W}(?:numero|number|num|nr|no|n|e|is|il|the)\b){{0,3}}(?P<link>[\W_]{{1,4}})"
    r"(?P<value>(?<![\d.,])\d(?:[ /.-]?\d){4,16})(?![\d%€]|,\d|\W?(?:euro|cifre|digits))"
)
_SAID: Final = (*_NAMED, *_AFTERWARDS, ("code", _CODE), ("code", _USE_CODE))
# The shortest of their values has three, and most texts have none.
_THREE_DIGITS: Final = re.compile(r"\d\D*\d\D*\d")
_BANK_CODES: Final = ("abi", "cab")
_FREE_PHONE: Final = re.compile(r"80[03]\D?\d{3}\D?\d{3}")


def find_credentials(view: View) -> Leaks:
    """Secrets said by name, before or after their value; a bare "the code is" has the kind `code`."""
    said = _SAID if _THREE_DIGITS.search(view.text) else ()
    for kind, pattern in (*said, ("password", _PASSWORD)):
        for match in pattern.finditer(view.text):
            yield Leak(*view.span(*match.span("value")), kind, BLOCK)


def find_account_numbers(view: View) -> Leaks:
    """Numbers of accounts, customers, loans and cards, said to be such."""
    for match in _OF_ACCOUNT.finditer(view.text):
        if not match[0].startswith(_BANK_CODES) and not _FREE_PHONE.fullmatch(match["value"]):
            yield Leak(*view.span(*match.span("value")), "account_number", BLOCK)
