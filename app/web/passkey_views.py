"""The context of the page of a customer's passkeys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.web.views import Page


@dataclass(frozen=True, kw_only=True)
class OwnPasskey:
    """One of the customer's own passkeys; `synced` says that it may be on more than one device."""

    id: UUID
    created_at: datetime
    last_used_at: datetime | None
    synced: bool


@dataclass(frozen=True, kw_only=True)
class Passkeys(Page):
    """The passkeys of this room's binding: what there are, one more, and away with one."""

    TEMPLATE = "customer/passkeys.html"

    passkeys: tuple[OwnPasskey, ...]
    may_add: bool
