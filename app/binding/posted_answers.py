"""Answers that a wallet posts for a redirect, sealed until the redirect's own browser comes back with their code.

The first answer stands: whoever posts a second one gets the same words, and a code that opens nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts
from app.binding.identity_provider import Posted
from app.binding.models import Attempt, Flow, PostedAnswer
from app.database import services_of, transaction, upsert
from app.services import Services
from security.envelope import Place, seal
from security.tokens import new_token, token_hash


async def keep(db: AsyncSession, flow: Flow, fields: Mapping[str, str]) -> str:
    """Keep an answer and give the code for its browser; a further one only leaves a leaf, once."""
    code = new_token()
    attempt = await db.get_one(Attempt, flow.attempt_id)
    key = await attempts.sealing_key(db, attempt)
    kept = await db.execute(
        upsert(db, PostedAnswer)
        .values(
            flow_id=flow.id,
            code_hash=token_hash(code),
            sealed_answer=seal(key, _place(flow.id), json.dumps(dict(fields)).encode()),
            received_at=services_of(db).clock(),
            repeated=False,
        )
        .on_conflict_do_nothing()
        .returning(PostedAnswer.flow_id)
    )
    if kept.scalar_one_or_none() is None and await _is_first_repetition(db, flow.id):
        attempts.note_refusal(db, attempt, "wallet", "answered_twice")
    return code


async def take(db: AsyncSession, flow: Flow) -> Posted | None:
    """The answer of a redirect that is being consumed; it is forgotten here. None when none came."""
    taken = await db.execute(
        delete(PostedAnswer)
        .where(PostedAnswer.flow_id == flow.id)
        .returning(PostedAnswer.code_hash, PostedAnswer.sealed_answer)
        .execution_options(synchronize_session=False)
    )
    row = taken.one_or_none()
    if row is None:
        return None
    opened = await services_of(db).vault.open(_place(flow.id), row.sealed_answer)
    return Posted(row.code_hash, json.loads(opened))


async def forget_old(services: Services) -> None:
    """Remove answers that no browser came back for."""
    before = services.clock() - services.policy.lifetimes.redirect
    async with transaction(services) as db:
        await db.execute(delete(PostedAnswer).where(PostedAnswer.received_at < before))


async def _is_first_repetition(db: AsyncSession, flow_id: UUID) -> bool:
    """One leaf is evidence enough: without this, whoever knows the address could fill the log."""
    marked = await db.execute(
        update(PostedAnswer)
        .where(PostedAnswer.flow_id == flow_id, PostedAnswer.repeated.is_(False))
        .values(repeated=True)
        .returning(PostedAnswer.flow_id)
        .execution_options(synchronize_session=False)
    )
    return marked.scalar_one_or_none() is not None


def _place(flow_id: UUID) -> Place:
    return Place("posted_answers", "sealed_answer", str(flow_id))
