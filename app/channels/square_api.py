"""Calls to the Square's HTTP API under the bank's token, and what its answers mean to us."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

from app.channels.ports import ArrivedPost, ChannelRefused, ChannelUnavailable, PostGone, Subject
from app.outbound import OutboundError
from security.secret import Secret

NETWORK: Final = "square"


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
