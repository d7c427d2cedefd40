"""The directory port: one look-up by what a visitor typed, or by what a provider named and of which kind that is."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Protocol

import phonenumbers

# The Italian schemes put the issuing country before it: TINIT-RSSMRA80A01H501U. Another country's stays: one number
# is two people in two countries.
_FISCAL_CODE: Final = re.compile(r"(TIN[A-Z]{2}-)?[A-Z0-9]{6,20}")
_HOME: Final = "TINIT-"
_ADDRESS: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


class IdentifierKind(StrEnum):
    """What an identifier is. Visitors type the first three; only an identity provider names by the last two."""

    NUMBER = "number"
    PHONE = "phone"
    EMAIL = "email"
    FISCAL_CODE = "fiscal_code"
    SUBJECT = "subject"


@dataclass(frozen=True)
class CustomerRecord:
    """What the bank's files say about a customer; `phone` in E.164, `phone_changed_at` when it or its SIM last changed.

    Never stored in clear, never logged.
    """

    customer_number: str
    name: str
    phone: str | None
    email: str | None
    language: str = "it"
    city: str | None = None
    phone_changed_at: datetime | None = None

    def __repr__(self) -> str:
        return "<CustomerRecord>"


class DirectoryUnavailable(Exception):
    """The directory does not answer; the look-up may be tried again."""


class CustomerDirectory(Protocol):
    """Finds customers. For what a visitor typed, the worker asks: no answer takes longer for a known one."""

    async def find(self, identifier: str, kind: IdentifierKind | None = None) -> CustomerRecord | None:
        """By customer number, phone or e-mail, in any usual spelling; raises `DirectoryUnavailable`.

        With a `kind`, as that and nothing else: what a provider calls a customer number is never read as a phone.
        """
        ...


def phone_from(text: str | None) -> str | None:
    """A phone of the bank's files in E.164; None when there is none, or nothing that could be called."""
    kind, canonical = normalise(text or "")
    return canonical if kind == "phone" else None


def changed_from(text: str | None) -> datetime | None:
    """When a phone changed, as ISO 8601; a date alone is taken to its end, what cannot be read as still to come."""
    written = (text or "").strip()
    if not written:
        return None
    with suppress(ValueError, OverflowError):
        return datetime.combine(date.fromisoformat(written) + timedelta(days=1), time(), UTC)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def email_from(text: str | None) -> str | None:
    """An e-mail address of the bank's files; None when there is none, or nothing that a mail could be sent to."""
    address = (text or "").strip()
    return address if _ADDRESS.fullmatch(address) else None


def normalise(identifier: str, region: str = "IT") -> tuple[str, str]:
    """(kind, canonical spelling) of what was typed: kind is `email`, `phone` or `number`."""
    text = unicodedata.normalize("NFKC", identifier).strip()
    if "@" in text:
        return "email", text.casefold()
    compact = _compact(text)
    if compact.startswith("+") or (compact.isdigit() and len(compact) >= 9 and compact[0] in "03"):
        try:
            parsed = phonenumbers.parse(compact, region)
        except phonenumbers.NumberParseException:
            return "number", compact.upper()
        if phonenumbers.is_possible_number(parsed):
            return "phone", phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return "number", compact.upper()


def canonical(identifier: str, kind: IdentifierKind) -> str:
    """The one spelling of an identifier of this kind; "" for what cannot be one, which finds nobody.

    A subject is `{provider}:{sub}`: two providers may use the same `sub` for two people (ASVS 5.0, 6.8.1).
    """
    text = unicodedata.normalize("NFKC", identifier).strip()
    match kind:
        case IdentifierKind.NUMBER:
            return _compact(text).upper()
        case IdentifierKind.FISCAL_CODE:
            code = text.upper().removeprefix(_HOME)
            return code if _FISCAL_CODE.fullmatch(code) else ""
        case IdentifierKind.SUBJECT:
            return identifier
        case _:
            found, spelling = normalise(identifier)
            return spelling if found == kind else ""


def _compact(text: str) -> str:
    return "".join(character for character in text if character.isalnum() or character == "+")
