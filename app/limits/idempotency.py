"""Idempotency-Key: record, act and leaf commit together; a repeated request gets the first answer again.

IETF draft-ietf-httpapi-idempotency-key-header: another body under the same key is 422, a request in flight is 409.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import services_of, upsert
from app.limits.errors import KeyReused, StillRunning
from app.limits.models import IdempotentAnswer
from security.encoding import join
from security.envelope import Place, seal

LONGEST_KEY: Final = 255
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Claim:
    """The right to act under a key; `replay` holds the first answer if there was one."""

    key_hash: bytes
    replay: dict[str, Any] | None
    status: int | None


async def claim(db: AsyncSession, actor_id: UUID, *, route: str, key: str, body: bytes, now: datetime) -> Claim:
    """Take the key for this transaction, or find the answer given before.

    Raises `KeyReused` for another body and `StillRunning` for an unfinished first request.
    """
    vault = services_of(db).vault
    scope = join(str(actor_id).encode(), route.encode(), key.encode()).hex()
    key_hash = await vault.lookup_hash("idempotency-key", scope)
    body_hash = await vault.lookup_hash("idempotency-body", body.hex())
    taken = await db.execute(
        upsert(db, IdempotentAnswer)
        .values(key_hash=key_hash, body_hash=body_hash, status=None, sealed_answer=None, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotentAnswer.key_hash)
    )
    if taken.scalar_one_or_none() is not None:
        return Claim(key_hash, None, None)
    row = (await db.execute(select(IdempotentAnswer).where(IdempotentAnswer.key_hash == key_hash))).scalar_one()
    if row.body_hash != body_hash:
        raise KeyReused
    if row.sealed_answer is None:
        raise StillRunning
    answer = await vault.open(_place(key_hash), row.sealed_answer)
    return Claim(key_hash, json.loads(answer), row.status)


async def keep(db: AsyncSession, claim: Claim, status: int, answer: dict[str, Any]) -> None:
    """Store the answer, sealed, in the transaction of the act."""
    key = await services_of(db).vault.service_key("idempotency")
    sealed = seal(key, _place(claim.key_hash), json.dumps(answer).encode())
    await db.execute(
        update(IdempotentAnswer)
        .where(IdempotentAnswer.key_hash == claim.key_hash)
        .values(status=status, sealed_answer=sealed)
    )


async def forget_old(db: AsyncSession, now: datetime) -> None:
    """Wipe answers whose day is over."""
    await db.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < now - KEPT_FOR))


def _place(key_hash: bytes) -> Place:
    return Place("idempotent_answers", "sealed_answer", key_hash.hex())
