"""Whom the provider's subjects are here, redirects under way, and of which sign-in a session was born."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class StaffSubject(Audited, Base):
    """A person at the provider, by (`issuer`, `subject`), and the account here. Names may change; these never do."""

    __tablename__ = "staff_subjects"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        UniqueConstraint("issuer", "staff_id", name="uq_staff_subjects_issuer_staff_id"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_accounts.id"))
    linked_at: Mapped[datetime]


class SignOnFlow(Base):
    """One redirect, in one browser, once. `session_id` is the session that must sign in again."""

    __tablename__ = "sign_on_flows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state_hash: Mapped[bytes] = mapped_column(unique=True)
    browser_hash: Mapped[bytes]
    session_id: Mapped[UUID | None]
    sealed_secrets: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class SignOnSession(Base):
    """What the provider said when a session began; `sid` is its own name for the session there."""

    __tablename__ = "sign_on_sessions"
    __table_args__ = (Index("ix_sign_on_sessions_issuer", "issuer", "subject"), {"sqlite_strict": True})

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    sid: Mapped[str | None]
    acr: Mapped[str]
    signed_in_at: Mapped[datetime | None]


protect(StaffSubject)
