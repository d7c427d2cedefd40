"""The connector to the Square, the demo network: its bot API for posts and messages, its OAuth server for sign-in.

It is written against the network's HTTP surface alone and knows nothing of how the Square is built.
"""

from __future__ import annotations

import json as jsonlib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from app.channels.ports import (
    AccountNow,
    AccountState,
    ArrivedPost,
    ChannelRefused,
    ChannelUnavailable,
    Connector,
    Departure,
    DirectMessageRefused,
    PostGone,
    PostRef,
    PublishedReply,
    RefusalReason,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
    TextTooLong,
)
from app.outbound import OutboundError
from app.services import Services
from security.secret import Secret

NETWORK = "square"
MAX_POST = 500  # code points after NFC, the Square's own counting
MAX_THREAD_PAGES = 40
REFUSALS = {"messages_closed": RefusalReason.CLOSED, "not_following": RefusalReason.NOT_FOLLOWING}


class Answer(Protocol):
    """What the connector needs of an outbound response."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, bounded by the client."""
        ...


class Outbound(Protocol):
    """The hardened HTTP client, as far as a connector uses it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """One request, no redirects. Raises OutboundError."""
        ...


@dataclass
class SquareApi:
    """Calls to one Square under the bank's token; each failure becomes a channel error."""

    base_url: str
    token: Secret
    bank_handle: str
    outbound: Outbound
    _own_id: str | None = field(default=None, repr=False)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """The JSON object of a 2xx answer. Raises PostGone on 404, ChannelRefused on other 4xx."""
        headers = {"authorization": f"Bearer {self.token.reveal().decode()}"}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        answer = await send(self.outbound, method, self.base_url + path, headers=headers, json=json)
        content = parse(answer)
        if answer.status < 300:
            return content
        code = str(content.get("error", answer.status))[:64]
        raise PostGone(code) if answer.status == 404 else ChannelRefused(code)

    async def own_id(self) -> str:
        """The bank's immutable id here, asked once. Raises ChannelRefused if the token is another account's."""
        if self._own_id is None:
            me = await self.call("GET", "/api/v1/me")
            if str(me.get("handle", "")).casefold() != self.bank_handle.casefold():
                raise ChannelRefused("token_of_another_account")
            self._own_id = self.subject(me).immutable_id
        return self._own_id

    def subject(self, person: Mapping[str, Any]) -> Subject:
        """The account in an API answer. Raises ChannelUnavailable on a malformed one."""
        try:
            return Subject(NETWORK, self.base_url, str(person["id"]), str(person["handle"]), str(person["name"]))
        except (KeyError, TypeError) as error:
            raise ChannelUnavailable("malformed person") from error

    def arrived(self, post: Mapping[str, Any], own_id: str) -> ArrivedPost:
        """The post in an API answer. Raises ChannelUnavailable on a malformed one."""
        try:
            author = self.subject(post["author"])
            replied = post["in_reply_to"]
            return ArrivedPost(
                external_id=str(post["id"]),
                author=author,
                text=str(post["text"]),
                url=str(post["url"]),
                created_at=datetime.fromisoformat(post["created_at"]).astimezone(UTC),
                thread_id=str(post["thread_id"]),
                in_reply_to=None if replied is None else str(replied),
                is_own=author.immutable_id == own_id,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ChannelUnavailable("malformed post") from error

    async def page(self, path: str, cursor: str | None) -> tuple[list[ArrivedPost], str | None]:
        """One page of a list of posts, and where the next one begins."""
        own = await self.own_id()
        after = "" if cursor is None else f"?after={quote(cursor, safe='')}"
        content = await self.call("GET", path + after)
        posts = [self.arrived(post, own) for post in content.get("posts", ())]
        following = content.get("cursor")
        return posts, cursor if following is None else str(following)


class SquareArrivals:
    """Polls the posts that name or answer the bank."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    async def poll(self, cursor: str | None) -> tuple[list[ArrivedPost], str | None]:
        """See `ports.Arrivals`."""
        return await self._api.page("/api/v1/mentions", cursor)


class SquarePublisher:
    """Answers in the thread; the Square itself drops a repeated Idempotency-Key."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    def fit(self, text: str, link: str) -> str:
        """See `ports.Publisher`; the link goes on a line of its own."""
        body = unicodedata.normalize("NFC", text).strip()
        whole = f"{body}\n{link}"
        if len(whole) > MAX_POST:
            raise TextTooLong(len(body), MAX_POST - len(link) - 1)
        return whole

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        """See `ports.Publisher`."""
        body = {"text": text, "in_reply_to": post.external_id}
        made = await self._api.call("POST", "/api/v1/posts", json=body, idempotency_key=idempotency_key)
        try:
            return PublishedReply(str(made["id"]), str(made["url"]))
        except KeyError as error:
            raise ChannelUnavailable("malformed answer") from error

    async def find_own_reply(
        self, post: PostRef, marker: str, known_urls: Collection[str] = ()
    ) -> PublishedReply | None:
        """See `ports.Publisher`."""
        for one in await self.read_thread(post):
            is_answer = one.is_own and one.in_reply_to == post.external_id and marker in one.text
            if is_answer and one.url not in known_urls:
                return PublishedReply(one.external_id, one.url)
        return None

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        """See `ports.Publisher`; reads at most 40 pages."""
        path = f"/api/v1/posts/{quote(post.external_id, safe='')}/thread"
        thread: list[ArrivedPost] = []
        cursor: str | None = None
        for _ in range(MAX_THREAD_PAGES):
            posts, cursor = await self._api.page(path, cursor)
            if not posts:
                break
            thread += posts
        return thread


class SquareSignIn:
    """Signs a person in at the Square, asks who it is, and gives the token back."""

    def __init__(self, api: SquareApi, client_id: str, client_secret: Secret) -> None:
        self._api = api
        self._client_id = client_id
        self._client_secret = client_secret

    async def begin(self, services: Services, wish: SignInWish) -> Departure:
        """See `ports.SignIn`; the Square is one server, so whoever was named, the way is the same."""
        del services
        address: str = prepare_grant_uri(
            f"{self._api.base_url}/oauth/authorize",
            self._client_id,
            "code",
            redirect_uri=wish.return_address,
            scope="profile",
            state=wish.state,
            code_challenge=wish.code_challenge,
            code_challenge_method="S256",
        )
        return Departure(address, wish.return_address)

    def is_issuer(self, memo: Mapping[str, str], issuer: str | None) -> bool:
        """The Square names itself in every callback (RFC 9207)."""
        del memo
        return issuer == self._api.base_url

    async def finish(self, services: Services, answer: SignInAnswer) -> Subject:
        """See `ports.SignIn`."""
        del services
        token = await self._exchange(answer.code, answer.code_verifier, answer.redirect_uri)
        try:
            return await self._whose(token)
        finally:
            await self._revoke(token)

    async def _exchange(self, code: str, code_verifier: str, redirect_uri: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        answer = await self._post("/oauth/token", form)
        content = parse(answer)
        token = content.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or str(content.get("token_type")).lower() != "bearer":
            raise SignInFailed(str(content.get("error", answer.status))[:64])
        return token

    async def _whose(self, token: str) -> Subject:
        headers = {"authorization": f"Bearer {token}"}
        answer = await send(self._api.outbound, "GET", self._api.base_url + "/oauth/userinfo", headers=headers)
        content = parse(answer)
        if answer.status != 200 or not content.get("sub"):
            raise SignInFailed("the network did not say who signed in")
        names = {"id": content["sub"], "handle": content.get("preferred_username"), "name": content.get("name")}
        return self._api.subject(names)

    async def _revoke(self, token: str) -> None:
        try:
            await self._post("/oauth/revoke", {"token": token})
        except ChannelUnavailable:
            return  # the proof stands; the unrevoked token is forgotten here and dies within minutes there

    async def _post(self, path: str, form: Mapping[str, str]) -> Answer:
        auth = (self._client_id, self._client_secret.reveal().decode())
        return await send(self._api.outbound, "POST", self._api.base_url + path, data=form, auth=auth)


class SquareDirectMessages:
    """Writes to a person at the Square by immutable id."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        """See `ports.DirectMessages`. Raises ChannelRefused for a subject of another network."""
        if (subject.network, subject.scope) != (NETWORK, self._api.base_url):
            raise ChannelRefused("subject_of_another_network")
        body = {"to": subject.immutable_id, "text": text}
        try:
            await self._api.call("POST", "/api/v1/messages", json=body, idempotency_key=idempotency_key)
        except ChannelRefused as refused:
            if refused.code in REFUSALS:
                raise DirectMessageRefused(REFUSALS[refused.code]) from refused
            raise


class SquareAccounts:
    """Asks how a person's account stands, by immutable id."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    async def look(self, subject: Subject) -> AccountNow:
        """See `ports.Accounts`."""
        try:
            person = await self._api.call("GET", f"/api/v1/people/{quote(subject.immutable_id, safe='')}")
        except PostGone:
            return AccountNow(AccountState.GONE)
        if person.get("suspended") is True:
            return AccountNow(AccountState.SUSPENDED)
        return AccountNow(AccountState.THERE, self._api.subject(person).handle)


async def send(
    outbound: Outbound,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Answer:
    """One call; network trouble, redirects, 429 and 5xx become ChannelUnavailable."""
    try:
        answer = await outbound.request(method, url, headers=headers, json=json, data=data, auth=auth)
    except OutboundError as error:
        raise ChannelUnavailable(type(error).__name__) from error
    if answer.status == 429 or not 200 <= answer.status < 500 or 300 <= answer.status < 400:
        raise ChannelUnavailable(f"status {answer.status}")
    return answer


def parse(answer: Answer) -> dict[str, Any]:
    """The body as a JSON object, empty if there is none. Raises ChannelUnavailable if it is something else."""
    if not answer.body:
        return {}
    try:
        content = jsonlib.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise ChannelUnavailable("the answer is not JSON") from error
    if not isinstance(content, dict):
        raise ChannelUnavailable("the answer is not an object")
    return content


def square_connector(
    base_url: str,
    *,
    api_token: Secret,
    client_id: str,
    client_secret: Secret,
    bank_handle: str,
    outbound: Outbound,
) -> Connector:
    """The Square at `base_url` with every part switched on; its base URL is the scope of its ids."""
    base = base_url.rstrip("/")
    api = SquareApi(base, api_token, bank_handle, outbound)
    return Connector(
        name="square",
        network=NETWORK,
        scope=base,
        label="Square",
        official_handle=bank_handle,
        official_url=f"{base}/@{quote(bank_handle, safe='')}",
        arrivals=SquareArrivals(api),
        publisher=SquarePublisher(api),
        sign_in=SquareSignIn(api, client_id, client_secret),
        direct_messages=SquareDirectMessages(api),
        accounts=SquareAccounts(api),
    )
