"""Reads of the register: a case's replies for the desk, and the public answer to "is this really the bank's?"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cases import queries as cases
from app.cases.models import Case, Post
from app.database import services_of
from app.handover.models import Reply
from app.handover.ports import HandoverPorts
from app.handover.rules import comparable
from security.envelope import Place

SLUG: Final = re.compile(r"/c/([a-z2-7]{26})(?![a-z2-7])")
LONGEST_QUESTION: Final = 2000


@dataclass(frozen=True)
class RegisteredReply:
    """A reply, opened, as the desk sees it."""

    id: UUID
    agent_id: UUID
    text: str
    url: str | None
    state: str
    purpose: str
    created_at: datetime
    posted_at: datetime | None


@dataclass(frozen=True)
class Genuine:
    """A reply is the bank's: which official account, in which network, to which public post, since when."""

    network: str
    official_handle: str
    official_url: str
    answered_url: str
    posted_at: datetime


async def replies_of(db: AsyncSession, case: Case) -> list[RegisteredReply]:
    """The bank's public replies of a case, oldest first; the caller has read the case with its actor."""
    rows = (
        await db.execute(select(Reply).where(Reply.case_id == case.id).order_by(Reply.created_at, Reply.id))
    ).scalars()
    return [await _opened(db, row) for row in rows]


async def _opened(db: AsyncSession, row: Reply) -> RegisteredReply:
    vault, row_id = services_of(db).vault, str(row.id)
    url = None
    if row.sealed_url is not None:
        url = await vault.open_text(Place("replies", "sealed_url", row_id), row.sealed_url)
    text = await vault.open_text(Place("replies", "sealed_text", row_id), row.sealed_text)
    return RegisteredReply(row.id, row.agent_id, text, url, row.state, row.purpose, row.created_at, row.posted_at)


async def verify(db: AsyncSession, ports: HandoverPorts, question: str) -> Genuine | None:
    """Whether a case link, a reply's address or its text is the bank's own; never a bare yes (design, decision 10).

    Only what has been posted counts, so the register tells nothing that is not public already.
    """
    vault = services_of(db).vault
    asked = question[:LONGEST_QUESTION].strip()
    text_hash = await vault.lookup_hash("reply-text", comparable(asked))
    url_hash = await vault.lookup_hash("reply-url", asked)
    wanted = [Reply.text_hash == text_hash, Reply.url_hash == url_hash]
    host_link = asked if asked.startswith(ports.public_url + "/c/") else ""
    found_slug = SLUG.search(host_link)
    if found_slug is not None:
        wanted.append(Reply.slug == found_slug.group(1))
    reply = (
        await db.execute(
            select(Reply).where(Reply.state == "posted", or_(*wanted)).order_by(Reply.posted_at.desc()).limit(1)
        )
    ).scalar_one_or_none()
    if reply is None or reply.posted_at is None:
        return None
    case = await db.get_one(Case, reply.case_id)
    connector = next((one for one in ports.connectors if one.name == case.connector), None)
    if connector is None:
        return None
    post = await cases.open_post(db, await db.get_one(Post, reply.post_id))
    return Genuine(connector.label, connector.official_handle, connector.official_url, post.url, reply.posted_at)


async def newest_case_link(db: AsyncSession, ports: HandoverPorts) -> str:
    """The case link of the newest posted reply, or nothing; it is public."""
    slug = (
        await db.execute(select(Reply.slug).where(Reply.state == "posted").order_by(Reply.posted_at.desc()).limit(1))
    ).scalar_one_or_none()
    return ports.case_link(slug) if slug is not None else ""
