"""The nouns of the Square: people, posts, direct messages, and what it is seeded with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

MAX_POST = 500
MAX_MESSAGE = 1000


class Accepts(StrEnum):
    """Whose direct messages a person takes."""

    EVERYONE = "everyone"
    CONTACTS = "contacts"  # only from those whom the person has written to first
    NOBODY = "nobody"


@dataclass(frozen=True)
class Person:
    """An account. `id` never changes and is decimal; `handle` may be renamed and taken over by somebody else."""

    id: str
    handle: str
    display_name: str
    about: str = ""
    official: bool = False
    accepts: Accepts = Accepts.EVERYONE
    suspended: bool = False

    def renamed(self, handle: str) -> Person:
        """The same account under another handle."""
        return replace(self, handle=handle)

    @property
    def initials(self) -> str:
        """Up to two letters for the avatar."""
        return "".join(word[0] for word in self.display_name.split()[:2]).upper() or "?"

    @property
    def tint(self) -> int:
        """Which of the eight avatar colours."""
        return int(self.id) % 8


@dataclass(frozen=True)
class SeedPost:
    """A post that is there from the start; ids are decimal and must rise in the order given."""

    id: str
    author_id: str
    text: str
    created_at: datetime
    in_reply_to: str | None = None


@dataclass(frozen=True)
class ClientApp:
    """A registered OAuth client."""

    client_id: str
    client_secret: str
    name: str
    redirect_uris: tuple[str, ...]

    def __repr__(self) -> str:
        """Without the secret."""
        return f"ClientApp({self.client_id!r})"


@dataclass(frozen=True)
class Bot:
    """A bearer token that acts as one person by the API."""

    token: str
    person_id: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"Bot({self.person_id!r})"


@dataclass(frozen=True)
class SquareSeed:
    """What a Square starts with. `issuer` is its outside address without a trailing slash."""

    issuer: str
    people: tuple[Person, ...]
    posts: tuple[SeedPost, ...] = ()
    bots: tuple[Bot, ...] = ()
    clients: tuple[ClientApp, ...] = ()


@dataclass(frozen=True)
class Post:
    """A public post; `mentions` are ids resolved when it was written, so that a later rename changes nothing."""

    id: int
    author_id: str
    text: str
    created_at: datetime
    thread_id: int
    in_reply_to: int | None
    mentions: frozenset[str]


@dataclass(frozen=True)
class DirectMessage:
    """A private message between two people."""

    id: int
    sender_id: str
    recipient_id: str
    text: str
    created_at: datetime
