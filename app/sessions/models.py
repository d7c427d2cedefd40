"""One row per session. `level`, `binding_id` and `conversation_id` are set by a binding, never by a client."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, partial_index


class Session(Base):
    """A browser's or client's session; the token itself is never stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        partial_index("ix_sessions_open", "expires_at", where="ended_at IS NULL AND binding_id IS NOT NULL"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    staff_id: Mapped[UUID | None] = mapped_column(index=True)
    scopes: Mapped[str]
    binding_id: Mapped[UUID | None] = mapped_column(index=True)
    conversation_id: Mapped[UUID | None]
    level: Mapped[int]
    proved_at: Mapped[datetime | None]
    locked: Mapped[bool]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
