"""Staff accounts. The authenticator's secret is sealed; the last used step is remembered so no code works twice."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class StaffAccount(Audited, Base):
    """One member of staff. `signature` is what the public sees under a reply: initials or first name."""

    __tablename__ = "staff_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    signature: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    sealed_totp: Mapped[bytes]
    last_step: Mapped[int | None]
    active: Mapped[bool]
    created_at: Mapped[datetime]


protect(StaffAccount)
