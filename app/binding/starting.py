"""POST from the link page: one attempt in one browser session. The same path, answer and time for every slug."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, rules
from app.binding.models import Attempt
from app.binding.rules import Kind, State
from app.cases.queries import case_by_slug
from app.database import services_of, transaction
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session


@dataclass(frozen=True)
class AttemptStarted:
    """`session_token` is set when the browser gets a new session: the caller makes it the visitor's cookie."""

    attempt_id: UUID
    session_id: UUID
    session_token: str | None = field(repr=False)


async def start(services: Services, *, slug: str, session_id: UUID | None) -> AttemptStarted:
    """Begin, or begin again: an open attempt of this browser at this link is cancelled, nobody else's is touched."""
    now = services.clock()
    async with transaction(services) as db:
        visitor_id, token = await visitor_for(db, session_id, now)
        case = await case_by_slug(db, slug)
        await cancel_own(db, visitor_id, slug, Kind.ENTRY)
        attempt = await attempts.add(
            db, session_id=visitor_id, kind=Kind.ENTRY, slug=slug, case_id=case.id if case is not None else None
        )
        return AttemptStarted(attempt.id, visitor_id, token)


async def visitor_for(db: AsyncSession, session_id: UUID | None, now: datetime) -> tuple[UUID, str | None]:
    """This browser's session if it is a plain one with time left, else a new one and its token."""
    if session_id is not None and await _is_plain_visitor(db, session_id, now):
        return session_id, None
    started = await sessions.start_visitor(db, now)
    return started.session.id, started.token


async def _is_plain_visitor(db: AsyncSession, session_id: UUID, now: datetime) -> bool:
    session = await db.get(Session, session_id)
    if session is None or session.ended_at is not None or session.kind != session_rules.VISITOR:
        return False
    # The attempt dies with its session, so a session about to end is no place to begin one.
    return session.binding_id is None and session.expires_at > now + services_of(db).policy.lifetimes.attempt


async def cancel_own(db: AsyncSession, session_id: UUID, slug: str, kind: Kind) -> None:
    """Put this browser's open attempts of this kind at this link out of use."""
    mine = await db.execute(
        select(Attempt)
        .where(
            Attempt.session_id == session_id,
            Attempt.slug == slug,
            Attempt.kind == kind,
            Attempt.state.in_(rules.OPEN_STATES),
        )
        .order_by(Attempt.id)
        .with_for_update()
    )
    for attempt in mine.scalars():
        await attempts.move(db, attempt, State.CANCELLED, "attempt.cancelled", {"reason": "started_again"})
