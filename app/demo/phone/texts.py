"""What the phone page says, in Italian and English."""

from __future__ import annotations

from typing import Final

from app.demo.site import Language

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("I telefoni", "The phones"),
    "banner": (
        "Telefoni finti: qui si vedono gli SMS e la posta che nella realtà riceve solo il cliente.",
        "Make-believe phones: the SMS and mail that in real life only the customer sees.",
    ),
    "lead": ("Il messaggio più recente è in alto.", "The newest message is on top."),
    "refresh": ("Aggiorna", "Refresh"),
    "phone_of": ("Telefono di", "Phone of"),
    "all": ("Tutti i telefoni", "All phones"),
    "sms": ("SMS", "SMS"),
    "mail": ("Posta", "Mail"),
    "nothing": ("Nessun messaggio.", "No messages."),
    "others": ("Altri indirizzi", "Other addresses"),
    "others_lead": ("Messaggi a recapiti che nessun telefono ha.", "Messages to addresses that no phone here has."),
    "language": ("Lingua", "Language"),
    "error_title": ("Qui non c'è nulla", "There is nothing here"),
}


def texts(language: Language) -> dict[str, str]:
    """Every sentence in one language."""
    column = 1 if language == "en" else 0
    return {key: both[column] for key, both in TEXTS.items()}
