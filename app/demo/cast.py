"""Who lives in the demonstration: customers and others on the Square, the bank's staff, and what was posted so far.

All of them are invented for the demonstration and named so that nobody takes them for real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.actors import Role
from app.demo.square.models import Accepts, Person, SeedPost

BANK_HANDLE: Final = "bancaesempio"
BANK_ID: Final = "1000"
BANK_NAME: Final = "Banca Esempio"
BANK_PHONE: Final = "800 000 000"


@dataclass(frozen=True)
class Townsperson:
    """Somebody on the Square; a customer of the bank when there is a number. No tax code here can be anybody's."""

    square_id: str
    handle: str
    name: str
    about: str
    fiscal_code: str = ""
    customer_number: str = ""
    phone: str = ""
    email: str = ""
    city: str = ""
    accepts: Accepts = Accepts.EVERYONE

    @property
    def first_name(self) -> str:
        """What friends call them."""
        return self.name.split()[0]

    def person(self) -> Person:
        """Their account on the Square."""
        return Person(self.square_id, self.handle, self.name, self.about, accepts=self.accepts)


@dataclass(frozen=True)
class Colleague:
    """A member of the bank's staff."""

    login: str
    name: str
    signature: str
    role: Role


GIULIA: Final = Townsperson(
    "1001",
    "giulia",
    "Giulia Esempi",
    "Torino, gatti e biciclette.",
    "SMPGLI92D50Z999B",
    "BE-100001",
    "+393331000001",
    "giulia@posta.example",
    "Torino",
)
MARCO: Final = Townsperson(
    "1002",
    "marco.prova",
    "Marco Prova",
    "Panettiere. Scrivo tardi.",
    "PRVMRC80C15Z999K",
    "BE-100002",
    "+393331000002",
    "marco@posta.example",
    "Bari",
)
ELENA: Final = Townsperson(
    "1003",
    "elena",
    "Elena Campione",
    "Insegno matematica.",
    "CMPLNE75H48Z999L",
    "BE-100003",
    "+393331000003",
    "elena@posta.example",
    "Udine",
    Accepts.CONTACTS,
)
MALLORY: Final = Townsperson(
    "1004",
    "mallory",
    "Mallory Finta",
    "Colleziono conti altrui.",
    "FNTMLR88S20Z999J",
    "BE-100004",
    "+393331000004",
    "mallory@posta.example",
    "Ovunque",
)
STRANGER: Final = Townsperson("1005", "passante", "Pino Passante", "Passo, guardo, vado.", "PSSPNI70A01Z999O")
TOWN: Final = (GIULIA, MARCO, ELENA, MALLORY, STRANGER)
CUSTOMERS: Final = tuple(one for one in TOWN if one.customer_number)

ANNA: Final = Colleague("anna", "Anna Dimostri", "Anna", Role.AGENT)
LUCA: Final = Colleague("luca", "Luca Dimostri", "Luca", Role.AGENT)
SARA: Final = Colleague("sara", "Sara Dimostri", "Sara", Role.SUPERVISOR)
PAOLO: Final = Colleague("paolo", "Paolo Dimostri", "Paolo", Role.COMPLIANCE)
ADA: Final = Colleague("ada", "Ada Dimostri", "Ada", Role.ADMINISTRATOR)
STAFF: Final = (ANNA, LUCA, SARA, PAOLO, ADA)

BANKS_OLD_WORD: Final = "Buongiorno Giulia, per informazioni chiama il numero verde 800 000 000."
STRANGERS_WORD: Final = "Capita anche a me, seguo."


def posts(now: datetime) -> tuple[SeedPost, ...]:
    """What the town has written up to `now`; the first is the complaint of the story."""

    def ago(minutes: int) -> datetime:
        return now - timedelta(minutes=minutes)

    return (
        SeedPost(
            "11", GIULIA.square_id, "Cara @bancaesempio, mi avete addebitato il bollo due volte. È un errore?", ago(58)
        ),
        SeedPost("12", BANK_ID, BANKS_OLD_WORD, ago(55), "11"),
        SeedPost(
            "13",
            GIULIA.square_id,
            "@bancaesempio chiamato tre volte, venti minuti di musica. Possibile che qui non sappiate dirmelo?",
            ago(31),
            "11",
        ),
        SeedPost("14", STRANGER.square_id, STRANGERS_WORD, ago(29), "11"),
        SeedPost(
            "15", MARCO.square_id, '@bancaesempio l\'app mi dice "operazione non disponibile" da stamattina.', ago(22)
        ),
        SeedPost("16", ELENA.square_id, "@bancaesempio come si chiude un libretto intestato a un minore?", ago(15)),
        SeedPost("17", MALLORY.square_id, "@bancaesempio pessimo servizio, rispondete in privato per favore!", ago(6)),
    )


def complaint_of(person: Townsperson) -> SeedPost:
    """The first that this person has said in public."""
    return next(post for post in posts(datetime.max.replace(tzinfo=UTC)) if post.author_id == person.square_id)


def directory_csv() -> str:
    """The bank's customer file."""
    lines = ["customer_number,name,phone,email,language,city,fiscal_code"]
    lines += [
        f"{one.customer_number},{one.name},{one.phone},{one.email},it,{one.city},{one.fiscal_code}" for one in CUSTOMERS
    ]
    return "\n".join(lines) + "\n"


def bank_account() -> Person:
    """The bank's official account on the Square."""
    return Person(BANK_ID, BANK_HANDLE, BANK_NAME, "Account ufficiale. Verifica le nostre risposte.", official=True)
