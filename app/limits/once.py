"""Values that count once, whichever process sees them first: one INSERT into a unique key, never get-then-set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import services_of, transaction, upsert
from app.limits.models import SpentValue
from app.services import Services
from security.encoding import join

MOST_FORGOTTEN: Final = 1000
_Asked = tuple[bytes, datetime, UUID]


async def spend(db: AsyncSession, kind: str, value: tuple[str, ...], until: datetime) -> bool:
    """Use a value up, in this transaction; False if it was used before. Kept until `until`, when it is void anyway."""
    insertion = upsert(db, SpentValue).values(key_hash=await _key(services_of(db), kind, value), expires_at=until)
    done = await db.execute(insertion.on_conflict_do_nothing().returning(SpentValue.key_hash))
    return done.scalar_one_or_none() is not None


async def spend_soon(services: Services, kind: str, value: tuple[str, ...], until: datetime) -> bool:
    """`spend` in a transaction that all who ask just now share: durable when it returns, at the price of a part of it.

    For what comes with every request, as a DPoP proof does.
    """
    asked: _Asked = (await _key(services, kind, value), until, uuid4())
    return bool(await services.lookups.of("spent values", partial(_spend_many, services)).get(asked))


async def _spend_many(services: Services, asked: Sequence[_Asked]) -> dict[_Asked, bool]:
    """In one order everywhere, so that two groups never wait for each other. Of equal values the first one counts."""
    first: dict[bytes, _Asked] = {}
    for one in asked:
        first.setdefault(one[0], one)
    rows = [{"key_hash": key, "expires_at": first[key][1]} for key in sorted(first)]
    async with transaction(services) as db:
        insertion = upsert(db, SpentValue).values(rows).on_conflict_do_nothing().returning(SpentValue.key_hash)
        new = set((await db.execute(insertion)).scalars())
    return {one: one[0] in new and first[one[0]] == one for one in asked}


async def forget_old(db: AsyncSession, now: datetime) -> None:
    """Remove what nobody would accept any more, spent or not."""
    old = select(SpentValue.key_hash).where(SpentValue.expires_at < now).limit(MOST_FORGOTTEN)
    await db.execute(delete(SpentValue).where(SpentValue.key_hash.in_(old.with_for_update(skip_locked=True))))


async def _key(services: Services, kind: str, value: tuple[str, ...]) -> bytes:
    return await services.vault.lookup_hash(kind, join(*(part.encode() for part in value)).hex())
