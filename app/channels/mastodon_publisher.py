"""The bank's public answers: in the thread, as public as the post that they answer, once."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.channels.mastodon_api import MastodonApi, Own, TooLarge
from app.channels.mastodon_text import counted
from app.channels.ports import (
    ArrivedPost,
    ChannelError,
    ChannelRefused,
    ChannelUnavailable,
    PostRef,
    PublishedReply,
    TextTooLong,
)
from app.services import Clock, system_clock

FIGURES_HOLD: Final = timedelta(minutes=20)
MOST_CHARACTERS: Final = 100_000
SHORTEST_LIMIT: Final = 60


@dataclass(frozen=True)
class Figures:
    """How long a status may be, and what an address in it counts. The defaults are Mastodon's own."""

    longest: int = 500
    per_link: int = 23


class MastodonPublisher:
    """Answers a status by a status."""

    def __init__(self, api: MastodonApi, clock: Clock = system_clock) -> None:
        self._api = api
        self._clock = clock
        self._figures = Figures()
        self._asked_at: datetime | None = None

    def fit(self, text: str, link: str) -> str:
        """See `ports.Publisher`; the link goes on a line of its own. By the figures that were learnt last."""
        body = unicodedata.normalize("NFC", text).strip()
        whole, figures = f"{body}\n{link}", self._figures
        length = counted(whole, figures.per_link)
        if length > figures.longest:
            own = counted(body, figures.per_link)
            raise TextTooLong(own, max(0, figures.longest - (length - own)))
        return whole

    async def learn(self) -> Figures:
        """The server's own figures, asked every twenty minutes at most; where it does not say, Mastodon's defaults."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > FIGURES_HOLD:
            for path in ("/api/v2/instance", "/api/v1/instance"):
                try:
                    self._figures = _figures_in(await self._api.call("GET", path))
                    break
                except ChannelError:
                    continue
            self._asked_at = now
        return self._figures

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        """See `ports.Publisher`. The post is read again first: it may be gone, not public, or its author renamed."""
        local = self._api.local(post.external_id)
        own = await self._api.own()
        asked = self._api.arrived(await self._api.call("GET", f"/api/v1/statuses/{local}"), own)
        if not asked.visibility.is_public:
            raise ChannelRefused("post_not_public")
        if not text.casefold().startswith(f"@{asked.author.handle} ".casefold()):
            raise ChannelRefused("author_renamed")
        figures = await self.learn()
        if counted(text, figures.per_link) > figures.longest:
            raise ChannelRefused("too_long")
        form = {"status": text, "in_reply_to_id": local, "visibility": asked.visibility.value}
        made = await self._api.call("POST", "/api/v1/statuses", form=form, idempotency_key=idempotency_key)
        return self._published(made)

    async def find_own_reply(
        self, post: PostRef, marker: str, known_urls: Collection[str] = ()
    ) -> PublishedReply | None:
        """See `ports.Publisher`. Where the thread is too large to be read, among the bank's newest statuses."""
        local, own = self._api.local(post.external_id), await self._api.own()
        try:
            context = await self._api.call("GET", f"/api/v1/statuses/{local}/context")
            below = context.get("descendants") if isinstance(context, dict) else None
        except TooLarge:
            below = await self._api.call("GET", f"/api/v1/accounts/{own.id}/statuses", query={"limit": "40"})
        for status in below if isinstance(below, list) else []:
            one = self._readable(status, own)
            if one is None or not one.is_own or one.in_reply_to != post.external_id:
                continue
            if marker in one.text and one.url not in known_urls:
                return PublishedReply(one.external_id, one.url)
        return None

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        """See `ports.Publisher`: what everybody can read of it; one that is too large is not read at all."""
        local, own = self._api.local(post.external_id), await self._api.own()
        asked = await self._api.call("GET", f"/api/v1/statuses/{local}")
        try:
            context = await self._api.call("GET", f"/api/v1/statuses/{local}/context")
        except TooLarge:
            context = {}
        around = context if isinstance(context, dict) else {}
        statuses = [*(around.get("ancestors") or []), asked, *(around.get("descendants") or [])]
        posts = [one for status in statuses if (one := self._readable(status, own)) is not None]
        return [one for one in posts if one.visibility.is_public]

    def _readable(self, status: Any, own: Own) -> ArrivedPost | None:
        try:
            return self._api.arrived(status, own)
        except ChannelUnavailable:
            return None

    def _published(self, made: Any) -> PublishedReply:
        if not isinstance(made, dict) or not made.get("id"):
            raise ChannelUnavailable("malformed answer")
        return PublishedReply(self._api.external(str(made["id"])), str(made.get("url") or made.get("uri") or ""))


def _figures_in(answer: Any) -> Figures:
    """The figures of `/api/v2/instance`; Mastodon's defaults where they are missing or make no sense."""
    usual = Figures()
    try:
        told = answer["configuration"]["statuses"]
        longest, per_link = int(told["max_characters"]), int(told["characters_reserved_per_url"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return usual
    if not (1 <= per_link <= longest and longest >= SHORTEST_LIMIT):
        return usual
    return Figures(min(longest, MOST_CHARACTERS), per_link)
