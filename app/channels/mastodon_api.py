"""Calls to the Mastodon API of the bank's own server, and what its answers mean to us.

Other servers of the fediverse are called by `mastodon_servers` alone, under stricter limits.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

from app.channels.mastodon_text import one_line, plain_text
from app.channels.ports import ArrivedPost, ChannelRefused, ChannelUnavailable, PostGone, Subject, Visibility
from app.outbound import OutboundError, OutboundTimeout, OutboundTooLarge
from security.secret import Secret

NETWORK: Final = "mastodon"
SCOPE: Final = "fediverse"
"""One scope for all servers: an actor URI is unique among them, and so is an account."""

MAX_OWN_BODY: Final = 1024 * 1024
"""For the bank's own server, which the settings name; a page of notifications is larger than 64 KiB."""

LONGEST_URI: Final = 1000
VISIBILITIES: Final = {"public": Visibility.PUBLIC, "unlisted": Visibility.UNLISTED}
_HANDLE_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.~+-@:")


class Answer(Protocol):
    """What the connector needs of an outbound response."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, bounded by the client."""
        ...


class Outbound(Protocol):
    """The hardened HTTP client, as far as this connector uses it."""

    def origin_of(self, site: str) -> str:
        """Where a server known by name is reached: HTTPS, but for names mapped to this machine."""
        ...

    def to_strangers(self) -> Outbound:
        """The same guard without the names of the bank's own services."""
        ...

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        max_body: int = ...,
    ) -> Answer:
        """One request, no redirects. Raises OutboundError."""
        ...


class TooLarge(ChannelUnavailable):
    """An answer larger than we read; `link` is its Link header."""

    def __init__(self, link: str) -> None:
        super().__init__("answer_too_large")
        self.link = link


class TooSlow(ChannelUnavailable):
    """No whole answer in time: the server is away, or the answer is large and the server slow."""


def parsed(answer: Answer) -> Any:
    """The body as JSON; None when it is none, as error pages of some servers are.

    Bytes that are no UTF-8 become U+FFFD: one stranger's broken text must not make a whole page unreadable.
    """
    try:
        return jsonlib.loads(answer.body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None


def site_of(uri: str) -> str:
    """The server of an actor or of an address, as `name` or `name:port`; empty when there is none."""
    try:
        parts = urlsplit(uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http") or "@" in parts.netloc:
        return ""
    return host if port in (None, 443 if parts.scheme == "https" else 80) else f"{host}:{port}"


@dataclass(frozen=True)
class Own:
    """The bank's account on its server."""

    id: str
    uri: str
    acct: str


@dataclass
class MastodonApi:
    """The bank's server under the bank's token; each failure becomes a channel error."""

    base_url: str
    account: str
    token: Secret
    outbound: Outbound
    _own: Own | None = field(default=None, repr=False)

    @property
    def site(self) -> str:
        """The server's name."""
        return site_of(self.base_url)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """The JSON of a 2xx answer. Raises PostGone on 404 and 410, ChannelRefused on other 4xx."""
        headers = {"authorization": f"Bearer {self.token.reveal().decode()}", "accept": "application/json"}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        url = f"{self.base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self.outbound.request(method, url, headers=headers, data=form, max_body=MAX_OWN_BODY)
        except OutboundTooLarge as error:
            raise TooLarge(error.link) from error
        except OutboundTimeout as error:
            raise TooSlow(type(error).__name__) from error
        except OutboundError as error:
            raise ChannelUnavailable(type(error).__name__) from error
        return _content(answer)

    async def own(self) -> Own:
        """Who the token is, asked once. Raises ChannelRefused if that is not the account of the settings."""
        if self._own is None:
            me = await self.call("GET", "/api/v1/accounts/verify_credentials")
            wanted = self.account.lstrip("@").partition("@")[0].casefold()
            if not isinstance(me, dict) or str(me.get("username", "")).casefold() != wanted:
                raise ChannelRefused("token_of_another_account")
            subject = self.subject(me)
            self._own = Own(str(me.get("id", "")), subject.immutable_id, str(me.get("acct", "")))
        return self._own

    def subject(self, account: Any) -> Subject:
        """The account in an answer, by its actor URI. Raises ChannelUnavailable on a malformed one.

        Servers that know no `uri` (before Mastodon 4.2, and snac for its own accounts) have the actor's in `url`.
        """
        if not isinstance(account, dict):
            raise ChannelUnavailable("malformed account")
        uri = str(account.get("uri") or account.get("url") or "")
        if not site_of(uri) or len(uri) > LONGEST_URI:
            raise ChannelUnavailable("malformed account")
        handle = self.handle(str(account.get("acct") or account.get("username") or ""))
        name = one_line(str(account.get("display_name") or ""), 100) or handle
        return Subject(NETWORK, SCOPE, uri, handle, name)

    def handle(self, acct: str) -> str:
        """`name@server`, also for accounts of the bank's own server; it goes into texts, so nothing else passes."""
        plain = "".join(one for one in acct if one in _HANDLE_CHARACTERS)[:200]
        return plain if "@" in plain else f"{plain}@{self.site}"

    def arrived(self, status: Any, own: Own) -> ArrivedPost:
        """The status in an answer. Raises ChannelUnavailable on a malformed one."""
        if not isinstance(status, dict):
            raise ChannelUnavailable("malformed status")
        author = self.subject(status.get("account"))
        try:
            local, created = str(status["id"]), datetime.fromisoformat(str(status["created_at"]))
            at = (created if created.tzinfo else created.replace(tzinfo=UTC)).astimezone(UTC)
        except (KeyError, ValueError, OverflowError) as error:
            raise ChannelUnavailable("malformed status") from error
        replied = status.get("in_reply_to_id")
        return ArrivedPost(
            external_id=self.external(local),
            author=author,
            text=plain_text(str(status.get("content") or "")),
            url=str(status.get("url") or status.get("uri") or "")[:LONGEST_URI],
            created_at=at,
            thread_id=self.external(str(replied or local)),
            in_reply_to=None if replied is None else self.external(str(replied)),
            is_own=author.immutable_id == own.uri,
            visibility=VISIBILITIES.get(str(status.get("visibility")), Visibility.PRIVATE),
        )

    def external(self, local_id: str) -> str:
        """A status of this server, told apart from those that other servers number the same."""
        return f"{local_id}@{self.site}"

    def local(self, external_id: str) -> str:
        """The id that this server knows a post by. Raises ChannelRefused for a post of another server."""
        local_id, _, site = external_id.rpartition("@")
        if site != self.site:
            raise ChannelRefused("post_of_another_server")
        return quote(local_id, safe="")


def _content(answer: Answer) -> Any:
    if answer.status in (404, 410):
        raise PostGone("gone")
    if answer.status == 429 or not 200 <= answer.status < 500 or 300 <= answer.status < 400:
        raise ChannelUnavailable(f"status {answer.status}")
    if answer.status >= 400:
        raise ChannelRefused(f"status_{answer.status}")
    content = parsed(answer)
    if content is None:
        raise ChannelUnavailable("the answer is not JSON")
    return content
