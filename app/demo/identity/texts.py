"""What the stub's pages say, in Italian and English."""

from __future__ import annotations

from typing import Final

from app.demo.site import Language

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Identità finta", "Make-believe identity"),
    "stub": ("FINTO", "STUB"),
    "stub_lead": (
        "Questo non è un gestore di identità. Qui non si verifica nessuno: chiunque può scegliere chi essere.",
        "This is not an identity provider. Nobody is verified here: anybody may choose who to be.",
    ),
    "stub_why": (
        "Fuori dalla demo il servizio si rifiuta di partire con questo provider.",
        "Outside the demo the service refuses to start with this provider.",
    ),
    "asks": ("chiede: chi sei?", "asks: who are you?"),
    "purpose": ("Motivo dichiarato", "Stated purpose"),
    "entry": ("dimostrare che sei cliente", "to show that you are a customer"),
    "step_up": ("salire di livello", "to reach a higher level"),
    "unlock": ("riaprire la stanza", "to open the room again"),
    "choose": ("Dimostra di essere", "Prove that you are"),
    "prove_as": ("Sono", "I am"),
    "customer": ("cliente n.", "customer no."),
    "goes": ("Dopo la scelta torni a", "After your choice you return to"),
    "deny": ("Non dimostrare nulla e torna indietro", "Prove nothing and go back"),
    "bank": ("La banca", "The bank"),
    "language": ("Lingua", "Language"),
    "error_title": ("Così non va", "This does not work"),
    "err_untrusted": (
        "Chi ti ha mandato qui non è registrato, o il suo indirizzo di ritorno non corrisponde.",
        "Whoever sent you here is not registered, or their return address does not match.",
    ),
    "err_unknown_person": ("Questa persona non esiste.", "There is no such person."),
    "err_foreign_form": (
        "Questa richiesta arriva da un altro sito ed è stata rifiutata.",
        "This request came from another site and was refused.",
    ),
    "err_not_found": ("Qui non c'è nulla.", "There is nothing here."),
    "home": (
        "Qui arriva chi la banca manda a dimostrare chi è.",
        "People come here when the bank asks them to prove who they are.",
    ),
}


def texts(language: Language) -> dict[str, str]:
    """Every sentence in one language."""
    column = 1 if language == "en" else 0
    return {key: both[column] for key, both in TEXTS.items()}
