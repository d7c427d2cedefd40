"""What a connector to a social network may offer, each part replaceable and switchable off.

How a case arrives, how the bank answers and how a handle is proved are separate ports: a network may have any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


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
    """The sign-in at the network proved nothing."""


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


@dataclass(frozen=True)
class ArrivedPost:
    """A public post as the network shows it; `is_own` marks the bank's, by immutable id."""

    external_id: str
    author: Subject
    text: str
    url: str
    created_at: datetime
    thread_id: str
    in_reply_to: str | None
    is_own: bool

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


class SignIn(Protocol):
    """Handle proof by signing in at the network (OAuth 2 authorization code with PKCE)."""

    @property
    def issuer(self) -> str | None:
        """What `iss` of the callback must be (RFC 9207), or None if the network does not send it."""
        ...

    def begin(self, state: str, redirect_uri: str, code_challenge: str) -> str:
        """The address to send the browser to; `code_challenge` is S256 (RFC 7636)."""
        ...

    async def finish(self, code: str, code_verifier: str, redirect_uri: str) -> Subject:
        """Who signed in. The token is revoked and forgotten at once. Raises SignInFailed or ChannelUnavailable."""
        ...


class DirectMessages(Protocol):
    """How a person is written to in private at the network; never for anything but codes and fixed texts."""

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        """Deliver to the account with this immutable id. Raises DirectMessageRefused or ChannelUnavailable."""
        ...


@dataclass(frozen=True)
class Connector:
    """One network as the bank uses it, with its official account there; an absent part is switched off."""

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


def connector_for(connectors: Sequence[Connector], network: str, scope: str) -> Connector | None:
    """The connector that serves this network and scope, if there is one."""
    return next((one for one in connectors if (one.network, one.scope) == (network, scope)), None)
