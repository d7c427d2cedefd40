"""What the Square's pages say, in Italian and English."""

from __future__ import annotations

from typing import Final

from app.demo.site import Language

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "banner": (
        "Rete dimostrativa: persone e messaggi sono inventati.",
        "Demo network: people and messages are invented.",
    ),
    "skip": ("Vai al contenuto", "Skip to content"),
    "main_nav": ("Principale", "Main"),
    "home": ("In piazza", "Timeline"),
    "messages": ("Messaggi", "Messages"),
    "settings": ("Impostazioni", "Settings"),
    "profile": ("Profilo", "Profile"),
    "sign_in": ("Entra", "Sign in"),
    "sign_out": ("Esci", "Sign out"),
    "signed_in_as": ("Sei", "You are"),
    "not_signed_in": ("Stai guardando da ospite.", "You are looking around as a guest."),
    "timeline_title": ("In piazza", "In the square"),
    "timeline_lead": (
        "Quello che si legge qui lo leggono tutti, anche chi non è iscritto.",
        "Everybody reads what is written here, with or without an account.",
    ),
    "compose": ("Scrivi in piazza", "Write in the square"),
    "compose_hint": ("Al massimo 500 caratteri. Lo leggono tutti.", "500 characters at most. Everybody reads it."),
    "publish": ("Pubblica", "Publish"),
    "reply": ("Rispondi", "Reply"),
    "reply_to": ("Rispondi a", "Reply to"),
    "reply_hint": ("Risposta pubblica, al massimo 500 caratteri.", "Public reply, 500 characters at most."),
    "in_reply_to": ("in risposta a", "replying to"),
    "replies": ("risposte", "replies"),
    "one_reply": ("1 risposta", "1 reply"),
    "no_replies": ("Nessuna risposta", "No replies yet"),
    "open_thread": ("Apri la conversazione", "Open the thread"),
    "thread": ("Conversazione", "Thread"),
    "post_by": ("Messaggio di", "Post by"),
    "older": ("Messaggi meno recenti", "Older posts"),
    "official": ("Profilo ufficiale", "Official account"),
    "fresh": ("Ci sono nuovi messaggi: mostra", "There are new posts: show"),
    "nothing": ("Qui non c'è ancora nulla.", "Nothing here yet."),
    "join": ("Entra come una delle persone della demo per scrivere.", "Sign in as one of the demo people to write."),
    "choose_person": ("Con quale persona vuoi entrare?", "Who do you want to be?"),
    "choose_lead": (
        "Questa è una demo: nessuna password. Scegli una persona inventata.",
        "This is a demo: no password. Choose an invented person.",
    ),
    "enter_as": ("Entra come", "Sign in as"),
    "continue_to": ("per continuare verso", "to continue to"),
    "direct_with": ("Messaggi privati con", "Direct messages with"),
    "direct_lead": (
        "I messaggi privati li leggono le due persone e il gestore della rete.",
        "Direct messages are read by the two people and by whoever runs the network.",
    ),
    "write_direct": ("Messaggio privato", "Direct message"),
    "write_to": ("Scrivi a", "Write to"),
    "send": ("Invia", "Send"),
    "sent_by_you": ("Tu", "You"),
    "no_messages": ("Nessun messaggio.", "No messages."),
    "people": ("Persone", "People"),
    "handle": ("Nome utente", "Handle"),
    "handle_hint": (
        "Da 3 a 20 lettere minuscole, cifre o _. Il numero dell'account non cambia: ",
        "3 to 20 lower-case letters, digits or _. The account's number does not change: ",
    ),
    "save": ("Salva", "Save"),
    "accepts": ("Chi può scriverti in privato", "Who may write to you in private"),
    "accepts_everyone": ("Tutti", "Everybody"),
    "accepts_contacts": ("Solo chi hai contattato tu per primo", "Only those you have written to first"),
    "accepts_nobody": ("Nessuno", "Nobody"),
    "saved": ("Salvato.", "Saved."),
    "about_title": ("Che cos'è questo posto", "What this place is"),
    "about_text": (
        "Square è una piccola rete sociale finta, costruita per mostrare come una banca risponde in pubblico"
        " e poi parla in privato. Per la banca è una rete come le altre.",
        "Square is a small make-believe social network. It shows how a bank answers in public and then talks in"
        " private. To the bank it is a network like any other.",
    ),
    "language": ("Lingua", "Language"),
    "consent_title": ("vuole sapere chi sei su Square", "wants to know who you are on Square"),
    "consent_sees": ("Vedrà soltanto:", "It will see only:"),
    "consent_id": ("il numero del tuo account", "your account's number"),
    "consent_names": ("il nome utente e il nome visibile", "your handle and visible name"),
    "consent_not": (
        "Non potrà pubblicare, né leggere i tuoi messaggi privati.",
        "It cannot publish, nor read your direct messages.",
    ),
    "consent_goes": ("Dopo la scelta torni a", "After your choice you return to"),
    "approve": ("Consenti", "Allow"),
    "deny": ("Rifiuta", "Deny"),
    "other_person": ("Non sei tu? Entra come un'altra persona", "Not you? Sign in as somebody else"),
    "error_title": ("Così non va", "This does not work"),
    "back_home": ("Torna in piazza", "Back to the timeline"),
    "err_empty": ("Il testo è vuoto.", "The text is empty."),
    "err_too_long": ("Il testo è troppo lungo.", "The text is too long."),
    "err_control_characters": ("Il testo contiene caratteri non ammessi.", "The text contains forbidden characters."),
    "err_not_found": ("Qui non c'è nulla.", "There is nothing here."),
    "err_messages_closed": ("Questa persona non riceve messaggi privati.", "This person takes no direct messages."),
    "err_not_following": (
        "Questa persona riceve messaggi solo da chi ha contattato per prima.",
        "This person only takes messages from those they have written to first.",
    ),
    "err_handle_form": ("Questo nome utente non va bene.", "This handle is not allowed."),
    "err_handle_taken": ("Questo nome utente è già preso.", "This handle is taken."),
    "err_unknown_person": ("Questa persona non esiste.", "There is no such person."),
    "err_foreign_form": (
        "Questa richiesta arriva da un altro sito ed è stata rifiutata.",
        "This request came from another site and was refused.",
    ),
    "err_sign_in_first": ("Prima bisogna entrare.", "Please sign in first."),
    "err_untrusted_client": (
        "L'applicazione che ti ha mandato qui non è registrata, o il suo indirizzo di ritorno non corrisponde."
        " Per sicurezza non ti mandiamo da nessuna parte.",
        "The application that sent you here is not registered, or its return address does not match."
        " To be safe we send you nowhere.",
    ),
    "err_stale": ("Questa richiesta non vale più. Ricomincia.", "This request is no longer valid. Start again."),
    "err_full": ("La demo è piena: riavviala.", "The demo is full: restart it."),
    "err_method": ("Questa pagina non si usa così.", "This page is not used that way."),
}


def texts(language: Language) -> dict[str, str]:
    """Every sentence in one language."""
    column = 1 if language == "en" else 0
    return {key: both[column] for key, both in TEXTS.items()}
