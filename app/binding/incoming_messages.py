"""A person wrote to the bank's account: whoever waits in a browser for a code to that account gets one now.

Several browsers may wait, a stranger's among them: each has a code of its own, which only the account's owner reads.
One a visitor's network and the newest first, so that one stranger cannot stand in everybody's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import Value, record
from app.binding import attempts, challenges, message_windows
from app.binding.code_delivery import HANDLE_CODE, is_addressed
from app.binding.handle_proof import PURPOSE
from app.binding.message_windows import CODES_OF_A_MESSAGE
from app.binding.models import Attempt, Challenge
from app.binding.rules import HandleMethod, State
from app.cases import queries as cases
from app.cases.arriving import handle_hash
from app.cases.models import Case
from app.channels import arrivals
from app.channels.ports import ArrivedPost, Connector, IncomingMessage
from app.database import services_of
from app.notifications.service import CODES_FIRST, enqueue
from app.services import Services

MOST_LOOKED_AT: Final = 300


async def take_in(services: Services, connector: Connector) -> int:
    """Ask a connector once who has written; returns how many messages the page held. Raises `ChannelError`."""

    async def store(db: AsyncSession, messages: Sequence[IncomingMessage]) -> None:
        for message in messages:
            await _open_for(db, connector, message, services.clock())

    return await arrivals.poll_messages(services, connector, store)


async def heard(db: AsyncSession, connector: Connector, post: ArrivedPost) -> None:
    """The same for a private message that came in as a post does, on networks where the two are one."""
    await _open_for(db, connector, IncomingMessage(post.author, post.created_at), services_of(db).clock())


async def _open_for(db: AsyncSession, connector: Connector, message: IncomingMessage, now: datetime) -> None:
    """Nothing for an account that no case belongs to: what strangers write leaves no trace."""
    services = services_of(db)
    author_hash = await handle_hash(services, message.author)
    case = await cases.latest_of_author(db, connector.name, message.author, author_hash)
    if case is None or not services.policy.offers_handle(HandleMethod.DIRECT_MESSAGE, connector.name):
        return
    opened = await message_windows.open_window(
        db, connector=connector.name, handle_hash=author_hash, sent_at=message.sent_at, now=now
    )
    if not opened:
        return
    waiting = await _waiting(db, connector.name, author_hash, now)
    data: dict[str, Value] = {"case": str(case.id), "waiting": len(waiting)}
    record(db, "handle.window_opened", stream=f"case:{case.id}", actor=SYSTEM, data=data)
    for attempt, challenge, named in waiting:
        code = await challenges.renew(db, challenge, lifetime=services.policy.lifetimes.handle_code, now=now)
        await enqueue(
            db,
            HANDLE_CODE,
            {
                "challenge": str(challenge.id),
                "code": code,
                "network": named["network"],
                "language": named["language"],
            },
            key=await attempts.sealing_key(db, attempt),
            priority=CODES_FIRST,
            expires_at=challenge.expires_at,
        )


async def _waiting(
    db: AsyncSession, connector: str, author_hash: bytes, now: datetime
) -> list[tuple[Attempt, Challenge, dict[str, str]]]:
    """The attempts that wait for a code to this account and have none; the newest question of each network."""
    rows = await db.execute(
        select(Attempt, Case, Challenge)
        .join(Case, Case.id == Attempt.case_id)
        .join(Challenge, and_(Challenge.attempt_id == Attempt.id, Challenge.attempt_version == Attempt.version))
        .where(
            Case.author_hash == author_hash,
            Case.connector == connector,
            Attempt.connector == connector,
            Attempt.state == State.HANDLE_PENDING,
            Attempt.handle_method == HandleMethod.DIRECT_MESSAGE,
            Attempt.expires_at > now,
            Challenge.purpose == PURPOSE,
        )
        .order_by(Challenge.created_at.desc(), Challenge.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    found: dict[str, tuple[Attempt, Challenge, dict[str, str]]] = {}
    for attempt, case, challenge in rows.all():
        if len(found) == CODES_OF_A_MESSAGE:
            break
        named: dict[str, str] = await attempts.opened(db, attempt, "sealed_named")
        if named["network"] in found or not await is_addressed(db, case, named):
            continue
        if await _wants_code(db, challenge, now):
            found[named["network"]] = (attempt, challenge, named)
    return list(found.values())


async def _wants_code(db: AsyncSession, challenge: Challenge, now: datetime) -> bool:
    """Locked first: a worker may be about to send the code that would be replaced."""
    await db.refresh(challenge, with_for_update=True)
    tries = services_of(db).policy.tries.per_code
    return challenge.sent_at is None and challenge.expires_at > now and challenge.tries < tries
