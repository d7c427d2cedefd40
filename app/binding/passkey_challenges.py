"""Questions to passkeys: 32 random bytes, answered at most once, by the session and attempt that they were put to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import rules
from app.binding.models import Attempt, PasskeyChallenge
from app.database import services_of
from app.ids import new_id
from security.envelope import Place
from security.passkeys import new_challenge

KEY = "passkeys"
"""The service key of what is sealed about passkeys."""


async def add(
    db: AsyncSession, session_id: UUID, *, attempt: Attempt | None = None, holder: bytes | None = None
) -> bytes:
    """A new question of an attempt that has just been moved, or of a registration; the newest alone can be answered."""
    services = services_of(db)
    now = services.clock()
    if attempt is None:
        await db.execute(
            update(PasskeyChallenge)
            .where(
                PasskeyChallenge.session_id == session_id,
                PasskeyChallenge.attempt_id.is_(None),
                PasskeyChallenge.used_at.is_(None),
            )
            .values(used_at=now)
        )
    challenge, question_id = new_challenge(), new_id(now)
    sealed = await services.vault.seal_for_service(KEY, _place(question_id), holder) if holder is not None else None
    db.add(
        PasskeyChallenge(
            id=question_id,
            session_id=session_id,
            attempt_id=attempt.id if attempt is not None else None,
            attempt_version=attempt.version if attempt is not None else None,
            challenge=challenge,
            sealed_holder=sealed,
            created_at=now,
            expires_at=now + rules.PASSKEY_QUESTION_LIFETIME,
            used_at=None,
        )
    )
    await db.flush()
    return challenge


async def take(
    db: AsyncSession, session_id: UUID, now: datetime, *, attempt: Attempt | None = None
) -> tuple[bytes, bytes | None] | None:
    """Use the open question up, before its answer is looked at; (challenge, holder's name), or None: there is none.

    A question belongs to one version of its attempt, so that one of before is no longer open.
    """
    found = await db.execute(
        update(PasskeyChallenge)
        .where(
            PasskeyChallenge.session_id == session_id,
            PasskeyChallenge.attempt_id.is_(None)
            if attempt is None
            else (PasskeyChallenge.attempt_id == attempt.id) & (PasskeyChallenge.attempt_version == attempt.version),
            PasskeyChallenge.used_at.is_(None),
            PasskeyChallenge.expires_at > now,
        )
        .values(used_at=now)
        .returning(PasskeyChallenge.id, PasskeyChallenge.challenge, PasskeyChallenge.sealed_holder)
        .execution_options(synchronize_session=False)
    )
    row = found.one_or_none()
    if row is None:
        return None
    if row.sealed_holder is None:
        return row.challenge, None
    return row.challenge, await services_of(db).vault.open(_place(row.id), row.sealed_holder)


def _place(question_id: UUID) -> Place:
    return Place("passkey_challenges", "sealed_holder", str(question_id))
