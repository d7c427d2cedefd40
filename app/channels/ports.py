"""What a connector to a social network may offer, each part replaceable and switchable off.

How a case arrives, how the bank answers and how a handle is proved are separate ports: a network may have any of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.services import Services


class ChannelError(Exception):
    """Base of everything that a connector reports."""


class ChannelUnavailable(ChannelError):
    """The network could not be reached or answered nonsense: the same call may be repeated later."""


class ChannelRefused(ChannelError):
    """The network understood and said no: repeating the same call is useless. `code` is the network's own word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class PostGone(ChannelRefused):
    """The post is not there (any more)."""


class TextTooLong(ChannelError):
    """The text with its link does not fit; `maximum` is what is left for the text alone, in the network's counting."""

    def __init__(self, length: int, maximum: int) -> None:
        super().__init__(f"{length} characters, {maximum} fit")
        self.length = length
        self.maximum = maximum


class SignInFailed(ChannelError):
    """The sign-in at the network proved nothing. `reason` is a word of ours for the leaf, never text from outside."""

    def __init__(self, text: str = "", reason: str = "proved_nothing") -> None:
        super().__init__(text or reason)
        self.reason = reason


class AccountNotNamed(ChannelError):
    """What was typed names no account of this network: its server is missing, or it is no name at all."""


class RefusalReason(StrEnum):
    """Why a person cannot be written to (channels differ, these four cover them)."""

    CLOSED = "closed"
    WINDOW = "window"
    NOT_FOLLOWING = "not_following"
    ONCE_ONLY = "once_only"


class DirectMessageRefused(ChannelError):
    """The network does not deliver direct messages to this person now."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Subject:
    """A social account. Two are the same when network, scope and immutable id are; the names are for display only,
    since a handle can be renamed and taken over by somebody else."""

    network: str
    scope: str
    immutable_id: str
    handle: str = field(compare=False)
    display_name: str = field(compare=False)


@dataclass(frozen=True)
class PostRef:
    """Where a reply goes: the post and the thread that it belongs to, by the network's own ids."""

    external_id: str
    thread_id: str


class Visibility(StrEnum):
    """Who can read a post. Only what everybody can read (public, unlisted) is ever answered in public."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"

    @property
    def is_public(self) -> bool:
        """Whether everybody who has the address can read it."""
        return self is not Visibility.PRIVATE


@dataclass(frozen=True)
class ArrivedPost:
    """A post that concerns the bank, as the network shows it; `is_own` marks the bank's, by immutable id.

    `external_id` is unique in the whole scope, also when the network numbers its posts on each server anew.
    """

    external_id: str
    author: Subject
    text: str
    url: str
    created_at: datetime
    thread_id: str
    in_reply_to: str | None
    is_own: bool
    visibility: Visibility = Visibility.PUBLIC

    @property
    def ref(self) -> PostRef:
        """The address to answer this post at."""
        return PostRef(self.external_id, self.thread_id)


@dataclass(frozen=True)
class PublishedReply:
    """A reply that the network holds."""

    external_id: str
    url: str


class Arrivals(Protocol):
    """How public posts that concern the bank come in."""

    async def poll(self, cursor: str | None) -> tuple[list[ArrivedPost], str | None]:
        """One page of posts after `cursor`, oldest first, and the next cursor; the same post may come twice.

        An empty page means that there is nothing more now. Raises ChannelUnavailable or ChannelRefused.
        """
        ...


class Publisher(Protocol):
    """How the bank answers in public."""

    def fit(self, text: str, link: str) -> str:
        """The whole public text, link included and never shortened. Raises TextTooLong."""
        ...

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        """Answer `post`. Raises PostGone, ChannelRefused, or ChannelUnavailable: then call find_own_reply first."""
        ...

    async def find_own_reply(
        self, post: PostRef, marker: str, known_urls: Collection[str] = ()
    ) -> PublishedReply | None:
        """The bank's own answer to this very post that contains `marker` (the case link), if the network has it.

        Not one of `known_urls`: every answer of a case carries the same link, and those are other answers.
        """
        ...

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        """The public thread around `post`, oldest first. Raises PostGone."""
        ...


@dataclass(frozen=True, repr=False)
class SignInWish:
    """Who wants to leave for a sign-in: the account as it was named, proved by nothing, and what is ours of the flow.

    `return_address` is the redirect URI of this connector; a connector to many servers gives each one a path below it.
    `code_challenge` is S256 (RFC 7636), `visitor` the network that the visitor comes from, for limits.
    """

    account: str
    state: str
    code_challenge: str
    return_address: str
    visitor: str = ""


@dataclass(frozen=True, repr=False)
class Departure:
    """Where the browser goes, where exactly it must come back to, and what `finish` will need; sealed with the flow."""

    url: str
    redirect_uri: str
    memo: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class SignInAnswer:
    """What a browser brought back: the code, and `iss` (RFC 9207) if there was one; the rest is the flow's own."""

    code: str
    issuer: str | None
    code_verifier: str
    redirect_uri: str
    memo: Mapping[str, str] = field(default_factory=dict)


class SignIn(Protocol):
    """Handle proof by signing in at the network (OAuth 2 authorization code with PKCE).

    Both calls use the network, so never inside a transaction; where they store a client they open short ones.
    Nothing that `begin` does or gives may depend on anything but what the visitor named.
    """

    async def begin(self, services: Services, wish: SignInWish) -> Departure:
        """Where to send the browser. Raises AccountNotNamed, ChannelUnavailable or ChannelRefused."""
        ...

    def is_issuer(self, memo: Mapping[str, str], issuer: str | None) -> bool:
        """Whether `iss` of the callback, or its absence, is right for the server that this flow went to."""
        ...

    async def finish(self, services: Services, answer: SignInAnswer) -> Subject:
        """Who signed in. The token is revoked and forgotten at once. Raises SignInFailed or ChannelUnavailable."""
        ...


class DirectMessages(Protocol):
    """How a person is written to in private at the network; never for anything but codes and fixed texts."""

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        """Deliver to the account with this immutable id. Raises DirectMessageRefused or ChannelUnavailable."""
        ...


@dataclass(frozen=True)
class IncomingMessage:
    """Somebody wrote to the bank in private. What they wrote is not here: nothing in it proves anything."""

    author: Subject
    sent_at: datetime


class Incoming(Protocol):
    """Who wrote to the bank's account in private, which opens the way for a code back to them."""

    async def poll(self, cursor: str | None) -> tuple[list[IncomingMessage], str | None]:
        """One page of messages after `cursor`, oldest first, and the next cursor; the same one may come twice.

        Raises ChannelUnavailable or ChannelRefused.
        """
        ...


class AccountState(StrEnum):
    """Whether a person still has an account at the network."""

    THERE = "there"
    GONE = "gone"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class AccountNow:
    """How an account stands at its network now, and what it is called; `handle` is empty where nobody says."""

    state: AccountState
    handle: str = field(default="", repr=False)


class Accounts(Protocol):
    """What a network says about an account that it knows by its immutable id."""

    async def look(self, subject: Subject) -> AccountNow:
        """How it stands now. Raises ChannelUnavailable or ChannelRefused: then nothing is known."""
        ...


def as_typed(account: str) -> str:
    """The account as the visitor wrote it."""
    return account


class State(StrEnum):
    """How something stands that was looked at: right, the bank's to decide, or to be mended before going live."""

    RIGHT = "right"
    ODD = "odd"
    WRONG = "wrong"


@dataclass(frozen=True)
class Remark:
    """What a look at the network itself brought, in a sentence for the operator."""

    state: State
    text: str


@dataclass(frozen=True)
class Connector:
    """One network as the bank uses it, with its official account there; an absent part is switched off.

    `tidy_account` brings what a visitor typed into the form that handles have here. Raises AccountNotNamed.
    `look` asks the network whether the bank's account there can do its work; it changes nothing. `learn` asks for what
    `Publisher.fit` counts by; it is called by every process that fits texts, now and then.
    `client_document` is what the network's servers read at an address of ours to know us as a client.
    `accepts_unsolicited` is off where nobody gets a direct message of somebody that they have not written to: there a
    code follows a message of the person, which `incoming` tells of.
    """

    name: str
    network: str
    scope: str
    label: str
    official_handle: str
    official_url: str
    arrivals: Arrivals | None = None
    publisher: Publisher | None = None
    sign_in: SignIn | None = None
    direct_messages: DirectMessages | None = None
    accounts: Accounts | None = None
    tidy_account: Callable[[str], str] = as_typed
    look: Callable[[], Awaitable[Sequence[Remark]]] | None = None
    learn: Callable[[], Awaitable[object]] | None = None
    client_document: Mapping[str, Any] | None = None
    accepts_unsolicited: bool = True
    incoming: Incoming | None = None


def connector_for(connectors: Sequence[Connector], network: str, scope: str) -> Connector | None:
    """The connector that serves this network and scope, if there is one."""
    return next((one for one in connectors if (one.network, one.scope) == (network, scope)), None)
