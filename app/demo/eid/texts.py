"""What the digital identity's pages say, in Italian and English."""

from __future__ import annotations

from typing import Final

from app.demo.site import Language

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Identità digitale della demo", "The demo's digital identity"),
    "lead": (
        "Il protocollo è vero (OpenID Connect), le persone no: chiunque può scegliere chi essere.",
        "The protocol is real (OpenID Connect), the people are not: anybody may choose who to be.",
    ),
    "why": (
        "Fuori dalla demo il servizio si rifiuta di partire con questo gestore.",
        "Outside the demo the service refuses to start with this provider.",
    ),
    "asks": ("ti chiede di identificarti", "asks you to identify yourself"),
    "who": ("Chi sei?", "Who are you?"),
    "i_am": ("Sono", "I am"),
    "code": ("codice fiscale", "tax number"),
    "agree_lead": ("Quando acconsenti", "When you agree,"),
    "learns": ("riceve:", "receives:"),
    "item_code": ("il tuo codice fiscale", "your tax number"),
    "item_level": (
        "che ti sei identificato ora, a livello significativo",
        "that you identified yourself now, at level substantial",
    ),
    "nothing_else": (
        "Nient'altro: né nome, né indirizzo, né a chi scrivi.",
        "Nothing else: no name, no address, nothing about whom you write to.",
    ),
    "goes": ("Poi torni a", "Then you return to"),
    "agree": ("Acconsento", "I agree"),
    "deny": ("Non acconsento, torna indietro", "I do not agree, go back"),
    "another": ("Non sono io: scegli un'altra persona", "That is not me: choose somebody else"),
    "language": ("Lingua", "Language"),
    "error_title": ("Così non va", "This does not work"),
    "err_untrusted": (
        "Questa richiesta non esiste, è già stata usata, è scaduta o è stata aperta in un altro browser.",
        "This request does not exist, was used already, has expired or was opened in another browser.",
    ),
    "err_unknown_person": ("Questa persona non esiste.", "There is no such person."),
    "err_foreign_form": (
        "Questa richiesta arriva da un altro sito ed è stata rifiutata.",
        "This request came from another site and was refused.",
    ),
    "err_not_found": ("Qui non c'è nulla.", "There is nothing here."),
    "home": (
        "Qui arriva chi la banca manda a identificarsi.",
        "People come here when the bank asks them to identify themselves.",
    ),
    "published": ("Che cosa pubblica", "What it publishes"),
}


def texts(language: Language) -> dict[str, str]:
    """Every sentence in one language."""
    column = 1 if language == "en" else 0
    return {key: both[column] for key, both in TEXTS.items()}
