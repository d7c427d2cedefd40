"""Codes that were asked for: made, counted, checked, used once. Counting and using are one statement each."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.service import record
from app.binding.attempts import stream_of, visitor_of
from app.binding.errors import CodeTooSoon, CodeWrong, EnoughCodes
from app.binding.models import Attempt, Challenge
from app.binding.rules import CodeMethod
from app.database import services_of
from app.ids import new_id
from security.codes import check_code, code_hash, new_code
from security.errors import CodeRefused


async def add(
    db: AsyncSession,
    attempt: Attempt,
    *,
    purpose: str,
    channel: str,
    lifetime: timedelta,
    typed_hash: bytes | None = None,
) -> tuple[Challenge, str]:
    """A new challenge and its code, which is stored as a peppered hash only. Nothing has been sent yet."""
    services = services_of(db)
    now = services.clock()
    challenge_id, code = new_id(now), new_code()
    challenge = Challenge(
        id=challenge_id,
        attempt_id=attempt.id,
        attempt_version=attempt.version,
        purpose=purpose,
        channel=channel,
        code_hash=code_hash(await services.vault.pepper(), str(challenge_id), code),
        typed_hash=typed_hash,
        pair_hash=None,
        customer_hash=None,
        sealed_customer=None,
        tries=0,
        created_at=now,
        sent_at=None,
        used_at=None,
        expires_at=now + lifetime,
    )
    db.add(challenge)
    return challenge, code


async def renew(db: AsyncSession, challenge: Challenge, *, lifetime: timedelta, now: datetime) -> str:
    """A fresh code and a fresh life for a challenge whose code was never sent; its tries are counted on."""
    code = new_code()
    challenge.code_hash = code_hash(await services_of(db).vault.pepper(), str(challenge.id), code)
    challenge.expires_at = now + lifetime
    return code


async def is_current(db: AsyncSession, challenge: Challenge, code: str) -> bool:
    """Whether this is still the challenge's code: it may have been renewed before the older one was sent."""
    try:
        check_code(await services_of(db).vault.pepper(), str(challenge.id), challenge.code_hash, code)
    except CodeRefused:
        return False
    return True


async def require_another(db: AsyncSession, attempt: Attempt, *, purpose: str, same_place: ColumnElement[bool]) -> None:
    """Raise `EnoughCodes` or `CodeTooSoon`; depends on nothing but what this attempt has asked for before.

    `same_place` tells codes that would reach the same place as the one wished for: the wait is between those, so that a
    mistyped account or another channel need not wait.
    """
    policy, now = services_of(db).policy, services_of(db).clock()
    asked = and_(Challenge.attempt_id == attempt.id, Challenge.purpose == purpose, Challenge.channel != CodeMethod.TOTP)
    total = (await db.execute(select(func.count()).where(asked))).scalar_one()
    if total >= policy.tries.codes_per_attempt:
        raise EnoughCodes
    count, last = (
        await db.execute(select(func.count(), func.max(Challenge.created_at)).where(asked, same_place))
    ).one()
    if count == 0:
        return
    wait = last + policy.sending.gap * 2 ** (count - 1) - now
    if wait > timedelta(0):
        raise CodeTooSoon(retry_after=max(1, ceil(wait.total_seconds())))


async def count_try(db: AsyncSession, challenge: Challenge, now: datetime) -> Challenge:
    """Count this try before looking at the code; of parallel tries each waits for the one before.

    Raises `CodeWrong` when the challenge is used, too old, or has had its tries: then nothing is guessed or counted.
    """
    counted = await db.execute(
        update(Challenge)
        .where(
            Challenge.id == challenge.id,
            Challenge.used_at.is_(None),
            Challenge.expires_at > now,
            Challenge.tries < services_of(db).policy.tries.per_code,
        )
        .values(tries=Challenge.tries + 1)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    if counted.scalar_one_or_none() is None:
        raise CodeWrong
    await db.refresh(challenge)
    return challenge


async def check(db: AsyncSession, challenge: Challenge, code: str) -> None:
    """Raise `CodeWrong` unless this is the code and it was really sent; an unsent one takes the same work."""
    pepper = await services_of(db).vault.pepper()
    try:
        check_code(pepper, str(challenge.id), challenge.code_hash, code)
    except CodeRefused:
        raise CodeWrong from None
    if challenge.sent_at is None:
        raise CodeWrong


async def use(db: AsyncSession, challenge: Challenge, now: datetime) -> None:
    """Use it up; raises `CodeWrong` for a second use."""
    used = await db.execute(
        update(Challenge)
        .where(Challenge.id == challenge.id, Challenge.used_at.is_(None))
        .values(used_at=now)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    if used.scalar_one_or_none() is None:
        raise CodeWrong


def record_refusal(db: AsyncSession, attempt: Attempt, challenge: Challenge) -> None:
    """The leaf of a wrong code; the caller raises an error that keeps it."""
    record(
        db,
        "code.refused",
        stream=stream_of(attempt),
        actor=visitor_of(attempt),
        data={"channel": challenge.channel, "challenge": str(challenge.id), "tries": challenge.tries},
    )
