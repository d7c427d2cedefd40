"""What each kind of leak means to a person, which data class it makes of a message, and how its place is shown."""

from __future__ import annotations

from typing import Final

from app.permissions import DataClass
from security.leaks import IDENTITY_KINDS, NEVER_KINDS

MESSAGES: Final = {
    "account_number": "The number of an account, a card, a loan or a customer.",
    "amount": "A sum of money together with a word about the customer's account.",
    "bic": "A bank identifier (BIC): it may tell where somebody holds an account.",
    "birth_date": "A date of birth.",
    "card": "A full card number.",
    "card_tail": "The last digits of a card or an account.",
    "code": "A code that is given away.",
    "cvv": "The security code of a card.",
    "email": "An e-mail address.",
    "fact": "Something that only the bank's files say of this customer.",
    "iban": "An account number (IBAN).",
    "iban_like": "This looks like an account number with a slip in it.",
    "identity_document": "The number of an identity document.",
    "link": "A link that does not lead to the bank's own pages, or hides where it leads.",
    "name": "A person's name that the thread does not show.",
    "otp": "A one-time code.",
    "password": "A password.",
    "phone": "A telephone number.",
    "pin": "A PIN.",
    "relationship": "This says that somebody is, or is not, a customer of the bank.",
    "tax_code": "A tax code (codice fiscale).",
    "tax_code_like": "This looks like a tax code with a slip in it.",
    "too_long": "This text is longer than any reply may be, and was not read.",
    "vat": "A VAT number (partita IVA).",
}

_NEVER: Final = NEVER_KINDS | {"too_long"}
_ACCOUNT: Final = frozenset(
    {"account_number", "amount", "card_tail", "code", "email", "fact", "iban", "iban_like", "phone", "vat"}
)
ORDER: Final = (DataClass.GENERAL, DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY, DataClass.NEVER)
_LONGEST_EXCERPT: Final = 60


def class_of(kind: str) -> DataClass:
    """The data class that one finding asks for; what is no secret between bank and customer is still their case."""
    if kind in _NEVER:
        return DataClass.NEVER
    if kind in IDENTITY_KINDS:
        return DataClass.IDENTITY
    return DataClass.ACCOUNT if kind in _ACCOUNT else DataClass.CASE


def highest(classes: set[DataClass]) -> DataClass:
    """The strictest of the classes, GENERAL of none."""
    return max(classes, key=ORDER.index, default=DataClass.GENERAL)


def masked(kind: str, excerpt: str) -> str:
    """The excerpt with its letters and digits hidden but the first; a sentence stays readable, a secret keeps nothing.

    Holds only printable characters, so that it can be shown and encoded whatever the text held.
    """
    shown = "".join(character if character.isprintable() else " " for character in excerpt[:_LONGEST_EXCERPT])
    if kind == "relationship":
        return shown
    kept = 0 if kind in _NEVER or kind in ("code", "fact") else 1
    return shown[:kept] + "".join("•" if character.isalnum() else character for character in shown[kept:])
