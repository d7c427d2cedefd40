"""`Services`: everything a request or a job needs from outside, made once by `main` and handed down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from app.lane import Lane
from app.lookups import Lookups
from app.outbound import OutboundClient
from app.policy import Policy
from app.vault import Vault
from app.wakeups import Wakeups

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The time now, in UTC; the only place of the service that asks the operating system."""
    return datetime.now(UTC)


@dataclass
class Services:
    """Engines, vault, clock, outbound client, policy, lane, gathered look-ups and wake-ups of one running service.

    `write_engine` is the only engine that may change anything. On SQLite it has one connection; `read_engine` has
    a pool that the database itself refuses to write through. `traffic` counts refused requests by door and status.
    `delivery` is the hub of the live streams, made at the first one (`conversations.delivery.hub_of`).
    """

    write_engine: AsyncEngine
    read_engine: AsyncEngine
    vault: Vault
    outbound: OutboundClient
    clock: Clock = system_clock
    policy: Policy = field(default_factory=Policy)
    wakeups: Wakeups = field(default_factory=Wakeups)
    lane: Lane[Any, Any] | None = None
    lookups: Lookups = field(default_factory=Lookups)
    traffic: Counter[str] = field(default_factory=Counter)
    delivery: Any = None
