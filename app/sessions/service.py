"""Start, resume, raise, lock and end sessions. A token is new at every raise of level (ASVS 7.2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import after_commit, reading, services_of
from app.ids import new_id
from app.permissions import Level
from app.services import Services
from app.sessions import rules
from app.sessions.models import Session
from security.tokens import new_token, token_hash


@dataclass(frozen=True)
class Started:
    """A session and its token; the token exists here and in the client only."""

    session: Session
    token: str

    def __repr__(self) -> str:
        return f"<Started {self.session.id}>"


async def start_visitor(db: AsyncSession, now: datetime) -> Started:
    """A browser that has proved nothing."""
    return await _start(db, rules.VISITOR, now, services_of(db).policy.sessions.visitor, new_token())


async def start_staff(
    db: AsyncSession,
    staff_id: UUID,
    now: datetime,
    *,
    kind: str,
    scopes: str = rules.EVERY_SCOPE,
    lifetime: timedelta | None = None,
    token: str | None = None,
) -> Started:
    """A member of staff at the console (`staff`) or by API token (`api`); never longer than the policy's term.

    `token` is one that was made elsewhere, as an access token is; its hash is stored like that of our own.
    """
    terms = services_of(db).policy.sessions
    longest = terms.staff.absolute if kind == rules.STAFF else terms.api
    started = await _start(db, kind, now, min(lifetime or longest, longest), token or new_token())
    started.session.staff_id, started.session.scopes = staff_id, scopes
    return started


async def _start(db: AsyncSession, kind: str, now: datetime, lifetime: timedelta, token: str) -> Started:
    session = Session(
        id=new_id(now),
        token_hash=token_hash(token),
        kind=kind,
        staff_id=None,
        scopes="",
        binding_id=None,
        conversation_id=None,
        level=0,
        proved_at=None,
        locked=False,
        created_at=now,
        last_seen_at=now,
        expires_at=now + lifetime,
        ended_at=None,
    )
    db.add(session)
    return Started(session, token)


async def find(services: Services, token: str, now: datetime) -> Session | None:
    """The session of this token unless it has ended or expired; a locked or idle one is returned, for its owner."""
    session = await services.lookups.of("sessions", partial(_by_hash, services)).get(token_hash(token))
    if session is None or session.ended_at is not None or session.expires_at <= now:
        return None
    return session


async def _by_hash(services: Services, hashes: Sequence[bytes]) -> dict[bytes, Session]:
    async with reading(services) as db:
        found = (await db.execute(select(Session).where(Session.token_hash.in_(hashes)))).scalars()
        return {session.token_hash: session for session in found}


async def touch(db: AsyncSession, session_id: UUID, now: datetime) -> None:
    """Note that the session is in use; written at most once a minute, so that reads stay cheap."""
    await db.execute(
        update(Session)
        .where(Session.id == session_id, Session.last_seen_at < now - rules.SEEN_AT_MOST_EVERY)
        .values(last_seen_at=now)
    )


async def raise_to_binding(
    db: AsyncSession, session_id: UUID, *, binding_id: UUID, conversation_id: UUID, level: Level, now: datetime
) -> Started:
    """End the visitor's session and start the customer's, under a new token (against fixation).

    Every other session of the binding ends: one room is open in one browser at a time.
    """
    await end_all_of_binding(db, binding_id, now)
    await end(db, session_id, now)
    lifetime = services_of(db).policy.sessions.customer(level).absolute
    started = await _start(db, rules.VISITOR, now, lifetime, new_token())
    session = started.session
    session.binding_id, session.conversation_id = binding_id, conversation_id
    session.level, session.proved_at = int(level), now
    return started


async def lock(db: AsyncSession, session_id: UUID) -> None:
    """No data is served to a locked session; its owner may unlock it with a proof."""
    await db.execute(update(Session).where(Session.id == session_id).values(locked=True))


async def end(db: AsyncSession, session_id: UUID, now: datetime) -> None:
    """End one session, at once."""
    await db.execute(update(Session).where(Session.id == session_id, Session.ended_at.is_(None)).values(ended_at=now))


async def end_all_of_binding(db: AsyncSession, binding_id: UUID, now: datetime) -> None:
    """End every session of a binding, at once."""
    await db.execute(
        update(Session).where(Session.binding_id == binding_id, Session.ended_at.is_(None)).values(ended_at=now)
    )


async def end_all_of_staff(db: AsyncSession, staff_id: UUID, now: datetime) -> None:
    """End every session and token of a member of staff, at once; streams are told with the commit."""
    await db.execute(
        update(Session).where(Session.staff_id == staff_id, Session.ended_at.is_(None)).values(ended_at=now)
    )
    wake_streams(db, staff_id)


def wake_streams(db: AsyncSession, staff_id: UUID) -> None:
    """Have the rights of this member's open streams looked at with the commit, in every process."""
    wakeups = services_of(db).wakeups
    after_commit(db, lambda: wakeups.notify(staff_topic(staff_id)))


def staff_topic(staff_id: UUID) -> str:
    """The wake-up topic of a member of staff whose rights have just changed."""
    return f"staff:{staff_id}"
