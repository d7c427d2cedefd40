"""The outbox table. A row whose `done_at` is set has an empty payload."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, partial_index


class OutboxRow(Base):
    """One piece of work: `topic` names the handler, lower `priority` goes first, `expires_at` drops what is unsent."""

    __tablename__ = "outbox"
    __table_args__ = (
        partial_index("ix_outbox_due", "priority", "run_at", where="done_at IS NULL"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    dedupe: Mapped[str | None] = mapped_column(unique=True)
    sealed_payload: Mapped[bytes | None]
    priority: Mapped[int]
    run_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    locked_until: Mapped[datetime | None]
    attempts: Mapped[int]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
