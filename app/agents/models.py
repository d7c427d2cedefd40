"""Staff accounts, registered programs, and the access tokens of both.

The authenticator's secret is sealed; the last used step is remembered so no code works twice.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class StaffAccount(Audited, Base):
    """One member of staff, or one program. `signature` is what the public sees under a reply: initials or first name.

    An account without password (an empty `password_hash`) cannot sign in here: a program's, or one of another sign-in.
    """

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


class MachineClient(Audited, Base):
    """What a program proves itself with, and what it may at most. Its account (`id`) says whether it is active.

    `issuer` is empty for clients of our own authorization server. `public_keys` is JSON: `[{"jwk", "until"}]`.
    """

    __tablename__ = "machine_clients"
    __table_args__ = (UniqueConstraint("issuer", "client_id"), {"sqlite_strict": True})

    id: Mapped[UUID] = mapped_column(ForeignKey("staff_accounts.id"), primary_key=True)
    issuer: Mapped[str]
    client_id: Mapped[str]
    scopes: Mapped[str]
    public_keys: Mapped[str]
    requires_dpop: Mapped[bool]
    created_at: Mapped[datetime]


class AccessToken(Base):
    """Of which token a session was born, and which key must prove its possession; `token_key` names issuer and jti."""

    __tablename__ = "access_tokens"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_key: Mapped[bytes] = mapped_column(unique=True)
    issuer: Mapped[str]
    client_id: Mapped[str]
    jkt: Mapped[str | None]


class BreakGlass(Audited, Base):
    """Until when an account (`id`) may sign in with its password although the bank's own sign-in is in use."""

    __tablename__ = "break_glass"

    id: Mapped[UUID] = mapped_column(ForeignKey("staff_accounts.id"), primary_key=True)
    opened_at: Mapped[datetime]
    until: Mapped[datetime]


protect(BreakGlass)
protect(StaffAccount)
protect(MachineClient)
