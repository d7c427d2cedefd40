"""The exact contexts of the customer's own view of the link: what is bound, who looked, taking it back.

GET      /room/binding          OwnBinding
POST     /room/binding/revoke   Ended; without confirm=yes back to OwnBinding
POST     /room/receipt          a zip to keep, or OwnBinding with `error`
GET      /trust.json            the public keys that check receipts
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.web.views import Page, ProofFact


@dataclass(frozen=True, kw_only=True)
class MeansRow:
    """Something that was set up to come back with."""

    kind: Literal["totp", "passkey"]
    since: datetime
    max_level: int


@dataclass(frozen=True, kw_only=True)
class LookRow:
    """What one role of the bank did on one day; `role` as the log has it."""

    role: str
    act: Literal["read_case", "took_case", "replied", "read_room", "watched_room"]
    first: datetime
    last: datetime
    times: int


@dataclass(frozen=True, kw_only=True)
class OwnBinding(Page):
    """The link as its owner sees it. `created_at` is None where this session may not know what was before it."""

    TEMPLATE = "customer/own.html"

    handle: str
    network: str
    level: int
    created_at: datetime | None
    proved_at: datetime
    expires_at: datetime
    handle_until: datetime
    customer_until: datetime
    proofs: tuple[ProofFact, ...]
    means: tuple[MeansRow, ...]
    looks: tuple[LookRow, ...]
    session_began: datetime
    session_ends: datetime
    older_hidden: bool
    trust_address: str
