"""The words that leave the house: codes and notices, in Italian and English. They hold no content of a room.

A code's text names the bank, its host, the network and the handle to be linked, and says whom never to tell it: the
only help for somebody who is being talked through a copy of our page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.binding.rules import Kind, unlinkable


@dataclass(frozen=True)
class Sender:
    """How the bank and its address are named."""

    bank: str
    host: str


_HANDLE_CODE: Final = {
    "it": "{bank}: {code} è il codice per dimostrare che questo profilo {network} è tuo. Scrivilo solo su {host}. "
    "Non dirlo a nessuno, nemmeno alla banca. Se non l'hai chiesto tu, ignoralo.",
    "en": "{bank}: {code} is the code that shows this {network} profile is yours. Type it only at {host}. "
    "Never tell it to anybody, not even the bank. If you did not ask for it, ignore it.",
}
_CUSTOMER_CODE: Final = {
    "it": "{bank}: {code} è il codice per collegare a te il profilo {handle} di {network}. Scrivilo solo su {host}. "
    "Non dirlo a nessuno, nemmeno alla banca. Se il profilo non è tuo, ignoralo.",
    "en": "{bank}: {code} is the code to link the {network} profile {handle} to you. Type it only at {host}. "
    "Never tell it to anybody, not even the bank. If the profile is not yours, ignore it.",
}
_UNLOCK_CODE: Final = {
    "it": "{bank}: {code} è il codice per riaprire la conversazione del profilo {handle} di {network}. "
    "Scrivilo solo su {host}. Non dirlo a nessuno, nemmeno alla banca. Se non l'hai chiesto tu, ignoralo.",
    "en": "{bank}: {code} is the code to reopen the conversation of the {network} profile {handle}. "
    "Type it only at {host}. Never tell it to anybody, not even the bank. If you did not ask for it, ignore it.",
}
_NOTICES: Final = {
    "linked": {
        "it": "{bank}: il {day} il profilo {handle} di {network} è stato collegato a te. "
        "Non sei stato tu? Apri {host}/not-me e scrivi {reference}.",
        "en": "{bank}: on {day} the {network} profile {handle} was linked to you. "
        "Was it not you? Open {host}/not-me and type {reference}.",
    },
    "new_browser": {
        "it": "{bank}: il {day} il profilo {handle} di {network} è stato usato da un browser mai usato prima. "
        "Non sei stato tu? Apri {host}/not-me e scrivi {reference}.",
        "en": "{bank}: on {day} the {network} profile {handle} was used from a browser never used before. "
        "Was it not you? Open {host}/not-me and type {reference}.",
    },
    "unread": {
        "it": "{bank}: c'è una risposta per te nella conversazione del profilo {handle} di {network}. "
        "Aprila dal link nella nostra risposta pubblica. Qui non mandiamo mai contenuti.",
        "en": "{bank}: an answer waits for you in the conversation of the {network} profile {handle}. "
        "Open it by the link in our public reply. We never send contents here.",
    },
    "ended": {
        "it": "{bank}: il {day} la banca ha chiuso il collegamento tra te e il profilo {handle} di {network}. "
        "Se non l'hai chiesto tu, telefona alla banca.",
        "en": "{bank}: on {day} the bank ended the link between you and the {network} profile {handle}. "
        "If you did not ask for it, phone the bank.",
    },
    "authenticator": {
        "it": "{bank}: il {day} è stata aggiunta un'app di autenticazione per il profilo {handle} di {network}. "
        "Non sei stato tu? Apri {host}/not-me e scrivi {reference}.",
        "en": "{bank}: on {day} an authenticator app was added for the {network} profile {handle}. "
        "Was it not you? Open {host}/not-me and type {reference}.",
    },
    "passkey": {
        "it": "{bank}: il {day} è stata aggiunta una passkey per il profilo {handle} di {network}. "
        "Non sei stato tu? Apri {host}/not-me e scrivi {reference}.",
        "en": "{bank}: on {day} a passkey was added for the {network} profile {handle}. "
        "Was it not you? Open {host}/not-me and type {reference}.",
    },
}
_SUBJECTS: Final = {
    "code": {"it": "Il tuo codice", "en": "Your code"},
    "linked": {"it": "Un profilo è stato collegato a te", "en": "A profile was linked to you"},
    "new_browser": {"it": "Un browser mai usato prima", "en": "A browser never used before"},
    "unread": {"it": "Una risposta ti aspetta", "en": "An answer waits for you"},
    "ended": {"it": "Un collegamento è stato chiuso", "en": "A link was ended"},
    "authenticator": {"it": "Un'app di autenticazione è stata aggiunta", "en": "An authenticator app was added"},
    "passkey": {"it": "Una passkey è stata aggiunta", "en": "A passkey was added"},
}


def handle_code_text(sender: Sender, language: str, *, network: str, code: str) -> str:
    """The direct message to the account that complained."""
    text = _in(_HANDLE_CODE, language)
    return text.format(bank=sender.bank, host=sender.host, network=network, code=code)


def customer_code_text(sender: Sender, language: str, *, kind: str, network: str, handle: str, code: str) -> str:
    """The text to the phone or e-mail on file; the handle is shown so that it can never be a link."""
    text = _in(_UNLOCK_CODE if kind == Kind.UNLOCK else _CUSTOMER_CODE, language)
    return text.format(bank=sender.bank, host=sender.host, network=network, handle=unlinkable(handle), code=code)


def notice_text(
    sender: Sender, language: str, *, kind: str, network: str, handle: str, day: datetime, reference: str
) -> str:
    """What has happened, and how to say "this was not me", where there is something to undo."""
    return _in(_NOTICES[kind], language).format(
        bank=sender.bank,
        host=sender.host,
        network=network,
        handle=unlinkable(handle),
        day=day.strftime("%d/%m/%Y" if language == "it" else "%d %B %Y"),
        reference=reference,
    )


def subject_line(sender: Sender, language: str, kind: str) -> str:
    """The subject of the same text as a mail; never the code."""
    return f"{sender.bank}: {_in(_SUBJECTS[kind], language)}"


def _in(texts: dict[str, str], language: str) -> str:
    return texts.get(language, texts["en"])
