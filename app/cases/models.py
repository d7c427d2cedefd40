"""Cases, the public posts of their threads, internal notes. Texts and authors are sealed under the case's key."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class Case(Audited, Base):
    """A complaint. `slug` is the public case link's id; `author_hash` finds the author's case again."""

    __tablename__ = "cases"
    __table_args__ = (Index("ix_cases_author", "network", "scope", "author_hash"), {"sqlite_strict": True})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    connector: Mapped[str]
    network: Mapped[str]
    scope: Mapped[str]
    author_hash: Mapped[bytes]
    sealed_author: Mapped[bytes]
    key_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(index=True)
    assigned_to: Mapped[UUID | None] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    version: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(index=True)
    last_public_at: Mapped[datetime]
    first_answer_due: Mapped[datetime]
    first_answered_at: Mapped[datetime | None]
    resolution_due: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    rating: Mapped[int | None]
    sealed_comment: Mapped[bytes | None]
    reopened: Mapped[int]


class Post(Audited, Base):
    """One message of the case's thread, public unless its `kind` is `private`.

    `complaint` and `private` are its author's, `thread` is anybody else's, `bank` the bank's own.
    """

    __tablename__ = "posts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    external_hash: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    sealed_content: Mapped[bytes]
    posted_at: Mapped[datetime]
    received_at: Mapped[datetime]


class CaseNote(Audited, Base):
    """An internal note; never leaves the desk."""

    __tablename__ = "case_notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    author_id: Mapped[UUID]
    sealed_text: Mapped[bytes]
    created_at: Mapped[datetime]


for _model in (Case, Post, CaseNote):
    protect(_model)
