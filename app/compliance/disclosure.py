"""The texts that a room's bag opens: exactly those that the leaves in scope demand, each with its opening.

Leaves decide, not the rows as they are now: a message that expires while its export is being built is still shown,
because the leaf that would excuse its absence comes too late to be in the bag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.cases import queries as cases
from app.cases.models import Post
from app.compliance.bag_rows import OpenedText
from app.compliance.rules import Head
from app.compliance.verifier import ENDINGS, Leaf, is_text, parse_leaf
from app.conversations.models import Message
from app.database import services_of
from app.handover.models import Reply
from security.commitments import opening
from security.envelope import Place


class TextGone(Exception):
    """A leaf commits to a text that is not stored any more, and no leaf says that it ended."""


@dataclass(frozen=True)
class Disclosed:
    """The room's messages and the public thread."""

    messages: Sequence[OpenedText]
    thread: Sequence[OpenedText]


async def disclose(db: AsyncSession, leaves: Iterable[tuple[int, bytes]], heads: Iterable[Head]) -> Disclosed:
    """Open what the leaves up to `heads` commit to. Raises `TextGone`, DecryptionFailed, EvidenceFails."""
    last = {stream: n for stream, n, _ in heads}
    parsed = [parse_leaf(index, raw) for index, raw in leaves]
    scope = [leaf for leaf in parsed if leaf.body["n"] <= last.get(leaf.stream, 0)]
    ended = {(leaf.stream, leaf.data.get("id")) for leaf in scope if leaf.body["t"] in ENDINGS}
    texts = {}
    for leaf in scope:
        place = leaf.stream, str(leaf.data.get("id"))
        if is_text(leaf):
            texts[place] = OpenedText(*place, None, None) if place in ended else await _opened(db, leaf)
    return Disclosed(
        messages=[text for text in texts.values() if text.stream.startswith("room:")],
        thread=[text for text in texts.values() if text.stream.startswith("case:")],
    )


async def _opened(db: AsyncSession, leaf: Leaf) -> OpenedText:
    text_id = UUID(leaf.data["id"])
    text = await _text(db, leaf.body["t"], text_id)
    key = await services_of(db).vault.key(UUID(leaf.data["key"]))
    return OpenedText(leaf.stream, str(text_id), text, opening(key, str(text_id)))


async def _text(db: AsyncSession, event: str, text_id: UUID) -> str:
    """The stored text behind a leaf of this event."""
    if event == "post.received":
        post = await db.get(Post, text_id)
        if post is not None:
            return (await cases.open_post(db, post)).text
    elif event == "reply.registered":
        return await _sealed_text(db, "replies", await db.get(Reply, text_id))
    else:
        return await _sealed_text(db, "messages", await db.get(Message, text_id))
    raise TextGone


async def _sealed_text(db: AsyncSession, table: str, row: Reply | Message | None) -> str:
    if row is None:
        raise TextGone
    return await services_of(db).vault.open_text(Place(table, "sealed_text", str(row.id)), row.sealed_text)
