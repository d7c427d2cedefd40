"""Exports asked for and made. The finished bag lies sealed in the export folder, never in the database."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class Export(Audited, Base):
    """One export: requested → building → ready | failed."""

    __tablename__ = "exports"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[str]
    conversation_id: Mapped[UUID | None]
    requested_by: Mapped[UUID]
    sealed_reason: Mapped[bytes]
    key_id: Mapped[UUID]
    state: Mapped[str]
    log_size: Mapped[int | None]
    bytes: Mapped[int | None]
    digest: Mapped[str | None]
    failure: Mapped[str | None]
    created_leaf: Mapped[UUID | None]
    requested_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


protect(Export)
