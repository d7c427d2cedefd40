"""What the handover needs from outside: connectors, the bank's public address, and the facts a text may not name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.channels.ports import Connector
from security.leaks import Fact

FactsOfCase = Callable[[AsyncSession, UUID], Awaitable[Sequence[Fact]]]


async def no_facts(_db: AsyncSession, _case_id: UUID) -> Sequence[Fact]:
    """Before there is any binding nothing is known of the author: patterns only."""
    return ()


@dataclass(frozen=True)
class HandoverPorts:
    """`public_url` has no trailing slash; `public_phone` is the service number that replies may name."""

    connectors: Sequence[Connector]
    public_url: str
    bank: str
    public_phone: str
    facts_of_case: FactsOfCase = no_facts

    def case_link(self, slug: str) -> str:
        """The public address of a case: an address, never a key."""
        return f"{self.public_url}/c/{slug}"
