"""Which brand of the bank an attempt is about, and whether the policy offers a method there.

A brand is the account of the bank that was complained to, named by its connector. A visitor may name another one: that
decides nothing.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from app.binding.errors import MethodNotOffered
from app.binding.models import Attempt
from app.cases.models import Case
from app.database import services_of


async def brand_of(db: AsyncSession, attempt: Attempt) -> str:
    """The connector of the attempt's case; of a link that is not ours, the one that the visitor named."""
    case = await db.get(Case, attempt.case_id) if attempt.case_id else None
    return case.connector if case is not None else attempt.connector or ""


async def require_offered(db: AsyncSession, attempt: Attempt, method: str) -> None:
    """Raise `MethodNotOffered` unless the policy offers this customer proof for the attempt's brand."""
    if not services_of(db).policy.offers_method(method, await brand_of(db, attempt)):
        raise MethodNotOffered
