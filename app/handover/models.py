"""The register of the bank's public replies, written before posting, so that `/verify` never lags behind."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class Reply(Audited, Base):
    """One public reply: registered → posted | failed. Its text is sealed under the case's key."""

    __tablename__ = "replies"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id"))
    agent_id: Mapped[UUID]
    overridden_by: Mapped[UUID | None]
    purpose: Mapped[str]
    state: Mapped[str]
    slug: Mapped[str] = mapped_column(index=True)
    text_hash: Mapped[bytes] = mapped_column(index=True)
    url_hash: Mapped[bytes | None] = mapped_column(index=True)
    sealed_text: Mapped[bytes]
    sealed_url: Mapped[bytes | None]
    created_at: Mapped[datetime]
    posted_at: Mapped[datetime | None]


class GuardBlock(Base):
    """A text that the guard blocked, sealed, waiting for somebody other than its author; decided once."""

    __tablename__ = "guard_blocks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    author_id: Mapped[UUID]
    purpose: Mapped[str]
    text_hash: Mapped[bytes] = mapped_column(index=True)
    sealed_text: Mapped[bytes]
    sealed_reason: Mapped[bytes | None]
    decided_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


protect(Reply)
