"""A stand-in for a social network: it keeps what it is given and fails when it is told to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from app.channels.ports import ArrivedPost, ChannelError, Connector, PostRef, PublishedReply, Subject, TextTooLong

ISSUER: Final = "https://square.example"
LONGEST: Final = 500


def person(name: str, handle: str | None = None) -> Subject:
    """A member of the network: the immutable id comes from `name`, whatever the handle is today."""
    return Subject("square", ISSUER, f"id-of-{name}", handle or name, name.capitalize())


def public_post(
    name: str,
    text: str,
    *,
    external_id: str | None = None,
    handle: str | None = None,
    at: datetime = datetime(2026, 11, 21, 19, tzinfo=UTC),
    thread_id: str = "t1",
    is_own: bool = False,
) -> ArrivedPost:
    """A public message as the network shows it."""
    external_id = external_id or uuid4().hex
    return ArrivedPost(
        external_id=external_id,
        author=person(name, handle),
        text=text,
        url=f"{ISSUER}/p/{external_id}",
        created_at=at,
        thread_id=thread_id,
        in_reply_to=None,
        is_own=is_own,
    )


@dataclass
class SquareStandIn:
    """Arrivals by page number, and a publisher. `faults` are raised in turn by `publish`, None lets one through.

    `lost` answers are taken by the network and then reported as failed.
    """

    posts: list[ArrivedPost] = field(default_factory=list)
    pages: list[list[ArrivedPost]] = field(default_factory=list)
    published: list[tuple[str, str, PublishedReply]] = field(default_factory=list)
    faults: list[ChannelError | None] = field(default_factory=list)
    lost: list[ChannelError] = field(default_factory=list)
    polled: list[str | None] = field(default_factory=list)
    fails_to_poll: ChannelError | None = None

    async def poll(self, cursor: str | None) -> tuple[list[ArrivedPost], str | None]:
        self.polled.append(cursor)
        if self.fails_to_poll is not None:
            raise self.fails_to_poll
        number = int(cursor or 0)
        if number >= len(self.pages):
            return [], cursor
        return list(self.pages[number]), str(number + 1)

    def fit(self, text: str, link: str) -> str:
        whole = f"{text} {link}"
        if len(whole) > LONGEST:
            raise TextTooLong(len(whole), LONGEST - len(link) - 1)
        return whole

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        reply = PublishedReply(f"reply-{len(self.published) + 1}", f"{ISSUER}/r/{len(self.published) + 1}")
        self.published.append((post.external_id, text, reply))
        if self.lost:
            raise self.lost.pop(0)
        return reply

    async def find_own_reply(
        self, post: PostRef, marker: str, known_urls: Collection[str] = ()
    ) -> PublishedReply | None:
        for to, text, reply in self.published:
            if to == post.external_id and marker in text and reply.url not in known_urls:
                return reply
        return None

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        return [one for one in self.posts if one.thread_id == post.thread_id]

    def connector(self) -> Connector:
        return Connector(
            name="square",
            network="square",
            scope=ISSUER,
            label="Square",
            official_handle="bancaesempio",
            official_url=f"{ISSUER}/@bancaesempio",
            arrivals=self,
            publisher=self,
        )
