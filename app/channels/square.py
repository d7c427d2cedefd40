"""The connector to the Square, the demo network: its bot API for posts and messages, its OAuth server for sign-in.

It is written against the network's HTTP surface alone and knows nothing of how the Square is built.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from app.channels.ports import (
    AccountNow,
    AccountState,
    ArrivedPost,
    ChannelUnavailable,
    Connector,
    Departure,
    PostGone,
    PostRef,
    PublishedReply,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
    TextTooLong,
)
from app.channels.square_api import NETWORK, Answer, Outbound, SquareApi, parse, send
from app.channels.square_messages import SquareDirectMessages, SquareIncoming
from app.services import Services
from security.secret import Secret

MAX_POST = 500  # code points after NFC, the Square's own counting
MAX_THREAD_PAGES = 40


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


def square_connector(
    base_url: str,
    *,
    api_token: Secret,
    client_id: str,
    client_secret: Secret,
    bank_handle: str,
    outbound: Outbound,
    accepts_unsolicited: bool = True,
) -> Connector:
    """The Square at `base_url` with every part switched on; its base URL is the scope of its ids.

    Without `accepts_unsolicited` its people have to write to the bank before it may write to them.
    """
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
        accepts_unsolicited=accepts_unsolicited,
        incoming=SquareIncoming(api),
    )
