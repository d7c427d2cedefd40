"""Reads of cases. `visible_to` alone decides which cases a member of staff sees; missing and forbidden look alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.cases.models import Case, CaseNote, Post
from app.cases.rules import Status
from app.channels.ports import PostRef, Subject
from app.database import services_of
from app.errors import NotFound
from app.permissions import Permission, held_by
from security.envelope import Place

COMPLAINT: Final = "complaint"
PRIVATE: Final = "private"


@dataclass(frozen=True)
class ThreadPost:
    """A message of the case's thread, opened; everybody can read it unless `kind` is `private`."""

    id: UUID
    author: Subject
    text: str
    url: str
    external_id: str
    thread_id: str
    kind: str
    posted_at: datetime

    @property
    def ref(self) -> PostRef:
        """Where a reply to it goes."""
        return PostRef(self.external_id, self.thread_id)


@dataclass(frozen=True)
class Note:
    """An internal note, opened."""

    id: UUID
    author_id: UUID
    text: str
    created_at: datetime


@dataclass(frozen=True)
class CaseFilter:
    """Which cases to list; None means any. `assigned` is `me`, `nobody` or None."""

    status: str | None = None
    assigned: str | None = None
    network: str | None = None


def visible_to(staff: Staff) -> Select[Case]:
    """The cases this member of staff may see at all: the desk sees the queue, everybody else nothing."""
    statement = select(Case)
    if Permission.CASES_READ in held_by(staff):
        return statement
    return statement.where(false())


async def get(db: AsyncSession, staff: Staff, case_id: UUID, *, lock: bool = False) -> Case:
    """One case that this member may see; raises `NotFound`. `lock` holds the row until the commit."""
    statement = visible_to(staff).where(Case.id == case_id)
    case = (await db.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()
    if case is None:
        raise NotFound
    return case


async def listed(
    db: AsyncSession, staff: Staff, wanted: CaseFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Case]:
    """Oldest first, from behind (opened_at, id) of the last case of the page before."""
    statement = visible_to(staff).order_by(Case.opened_at, Case.id).limit(limit)
    if wanted.status:
        statement = statement.where(Case.status == wanted.status)
    else:
        statement = statement.where(Case.status != Status.CLOSED)
    if wanted.assigned == "me":
        statement = statement.where(Case.assigned_to == staff.id)
    elif wanted.assigned == "nobody":
        statement = statement.where(Case.assigned_to.is_(None))
    if wanted.network:
        statement = statement.where(Case.network == wanted.network)
    if after is not None:
        opened_at, case_id = after
        statement = statement.where(
            or_(Case.opened_at > opened_at, and_(Case.opened_at == opened_at, Case.id > case_id))
        )
    return list((await db.execute(statement)).scalars())


async def case_by_slug(db: AsyncSession, slug: str) -> Case | None:
    """The case behind a public link; for the service itself, never for an answer to a visitor."""
    return (await db.execute(select(Case).where(Case.slug == slug))).scalar_one_or_none()


async def latest_of_author(db: AsyncSession, connector: str, author: Subject, author_hash: bytes) -> Case | None:
    """The newest case of a handle with the account of this connector, open or closed.

    Who complains to another account of the bank opens another case: it is answered by that account.
    """
    return (
        await db.execute(
            select(Case)
            .where(Case.network == author.network, Case.scope == author.scope, Case.author_hash == author_hash)
            .where(Case.connector == connector)
            .order_by(Case.opened_at.desc(), Case.id.desc())
            .limit(1)
        )
    ).scalar_one_or_none()


async def author_of(db: AsyncSession, case: Case) -> Subject:
    """Who complained, by the network's immutable id."""
    opened = await services_of(db).vault.open(Place("cases", "sealed_author", str(case.id)), case.sealed_author)
    return subject_from(json.loads(opened))


async def thread_of(db: AsyncSession, case: Case) -> list[ThreadPost]:
    """The public thread, oldest first."""
    rows = (await db.execute(select(Post).where(Post.case_id == case.id).order_by(Post.posted_at, Post.id))).scalars()
    return [await open_post(db, row) for row in rows]


async def open_post(db: AsyncSession, row: Post) -> ThreadPost:
    """A post, opened."""
    opened = await services_of(db).vault.open(Place("posts", "sealed_content", str(row.id)), row.sealed_content)
    content: dict[str, Any] = json.loads(opened)
    return ThreadPost(
        id=row.id,
        author=subject_from(content["author"]),
        text=content["text"],
        url=content["url"],
        external_id=content["external_id"],
        thread_id=content["thread_id"],
        kind=row.kind,
        posted_at=row.posted_at,
    )


async def latest_complaint(db: AsyncSession, case: Case) -> ThreadPost:
    """The author's newest message, public or private."""
    return await open_post(db, (await db.execute(_newest(case, COMPLAINT, PRIVATE))).scalar_one())


async def latest_public_complaint(db: AsyncSession, case: Case) -> ThreadPost | None:
    """The author's newest public message: the one that a reply answers. None if there are only private ones."""
    row = (await db.execute(_newest(case, COMPLAINT))).scalar_one_or_none()
    return None if row is None else await open_post(db, row)


def _newest(case: Case, *kinds: str) -> Select[Post]:
    """By id where the network dates two alike: ids rise with arrival."""
    return (
        select(Post)
        .where(Post.case_id == case.id, Post.kind.in_(kinds))
        .order_by(Post.posted_at.desc(), Post.id.desc())
        .limit(1)
    )


async def notes_of(db: AsyncSession, case: Case) -> list[Note]:
    """Internal notes, oldest first."""
    rows = (
        await db.execute(select(CaseNote).where(CaseNote.case_id == case.id).order_by(CaseNote.created_at, CaseNote.id))
    ).scalars()
    vault = services_of(db).vault
    return [
        Note(
            row.id,
            row.author_id,
            await vault.open_text(Place("case_notes", "sealed_text", str(row.id)), row.sealed_text),
            row.created_at,
        )
        for row in rows
    ]


def subject_from(document: dict[str, str]) -> Subject:
    """A subject as it was sealed."""
    return Subject(
        document["network"],
        document["scope"],
        document["immutable_id"],
        document["handle"],
        document["display_name"],
    )


def subject_document(subject: Subject) -> dict[str, str]:
    """A subject as it is sealed."""
    return {
        "network": subject.network,
        "scope": subject.scope,
        "immutable_id": subject.immutable_id,
        "handle": subject.handle,
        "display_name": subject.display_name,
    }
