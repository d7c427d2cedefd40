"""What the provisioning client says of an account beyond what a staff account is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class ProvisionedAccount(Audited, Base):
    """One account as the client knows it. `roles` is JSON: the client's own names, which it wants to read back.

    After a DELETE it is gone for the client (`deleted_at`), while its acts stay in the evidence.
    """

    __tablename__ = "provisioned_accounts"

    id: Mapped[UUID] = mapped_column(ForeignKey("staff_accounts.id"), primary_key=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    given_name: Mapped[str]
    family_name: Mapped[str]
    roles: Mapped[str]
    changed_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


protect(ProvisionedAccount)
