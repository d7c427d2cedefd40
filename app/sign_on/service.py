"""From whom the provider named to a session of ours: account, role, freshness, and the end that the provider tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Role, Staff
from app.agents.models import StaffAccount
from app.agents.service import actor_of
from app.audit.service import record
from app.database import reading, services_of, transaction
from app.limits import once
from app.permissions import ROLE_PERMISSIONS
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from app.sessions.models import Session
from app.sign_on import accounts
from app.sign_on.errors import NotSignedIn, SignInAgain
from app.sign_on.models import SignOnSession
from app.sign_on.rules import SignOnPorts, is_fresh
from security.errors import TokenRefused
from security.id_tokens import Identity
from security.jwts import claim_time
from security.logout_tokens import LoggedOut, verify_logout_token

MEANS = "sign_on"
_LONGEST_SID = 255


@dataclass(frozen=True)
class SignedIn:
    """A session at the console; `again` when it takes the place of one that was there."""

    role: Role
    token: str = field(repr=False)
    again: bool


async def admit(services: Services, ports: SignOnPorts, identity: Identity, session_id: UUID | None) -> SignedIn:
    """The session of whom a verified ID token names, new under a new token. Raises `NotSignedIn`, with a leaf.

    `session_id` is the session that signs in once more: it must be the same person's, and ends with this.
    """
    async with transaction(services) as db:
        now, again = services.clock(), session_id is not None
        if not ports.accepts(identity.acr, again=again):
            refuse(db, None, "acr")
        account = await accounts.of_identity(db, ports, identity)
        if isinstance(account, str):
            refuse(db, None, account)
        if not account.active:
            refuse(db, account, "inactive")
        accounts.set_role(db, ports, identity, account)
        if session_id is not None:
            await _end_former(db, account, session_id)
        started = await sessions.start_staff(
            db,
            account.id,
            now,
            kind=session_rules.STAFF,
            scopes=" ".join(sorted(ROLE_PERMISSIONS[Role(account.role)])),
        )
        db.add(_born_of(ports, identity, started.session.id, now))
        data = {"means": MEANS, "session": str(started.session.id)}
        actor = actor_of(account, started.session)
        record(db, "staff.signed_in", stream=f"staff:{account.id}", actor=actor, data=data)
    return SignedIn(Role(account.role), started.token, again)


def refuse(db: AsyncSession, account: StaffAccount | None, reason: str) -> NoReturn:
    """Somebody is known by the provider, and does not come in: a leaf says why, the page does not."""
    stream, actor = "sign-on", SYSTEM
    if account is not None:
        stream = f"staff:{account.id}"
    record(db, "staff.refused", stream=stream, actor=actor, data={"reason": f"sign_on_{reason}"})
    raise NotSignedIn


async def _end_former(db: AsyncSession, account: StaffAccount, session_id: UUID) -> None:
    now = services_of(db).clock()
    former = await db.get(Session, session_id, with_for_update=True)
    if former is None or former.staff_id != account.id or former.ended_at is not None or former.expires_at <= now:
        refuse(db, account, "another_person")
    await sessions.end(db, session_id, now)


def _born_of(ports: SignOnPorts, identity: Identity, session_id: UUID, now: datetime) -> SignOnSession:
    sid = identity.claims.get("sid")
    return SignOnSession(
        session_id=session_id,
        issuer=ports.issuer,
        subject=identity.subject,
        sid=sid if isinstance(sid, str) and 0 < len(sid) <= _LONGEST_SID else None,
        acr=identity.acr,
        signed_in_at=_signed_in_at(identity, now),
    )


def _signed_in_at(identity: Identity, now: datetime) -> datetime | None:
    """When the person last proved themselves there; not in the future, whatever the provider's clock says."""
    try:
        when = claim_time(identity.claims, "auth_time")
    except TokenRefused:
        return None
    return None if when is None else min(datetime.fromtimestamp(when, UTC), now)


async def require_fresh(services: Services, ports: SignOnPorts | None, staff: Staff) -> None:
    """Raise `SignInAgain` unless the session's sign-in is strong and recent enough for a sensitive act.

    Where staff signs in here, by password and code, nothing more is asked. Where it signs in elsewhere, a token that
    was born of no such sign-in is not enough, and a break-glass session counts from its beginning.
    """
    if ports is None:
        return
    async with reading(services) as db:
        row = await db.get(SignOnSession, staff.session_id)
        session = await db.get(Session, staff.session_id)
        account = await db.get(StaffAccount, staff.id)
    now = services.clock()
    if row is None and session is not None and account is not None and account.password_hash:
        fresh = now - session.created_at <= ports.sensitive_for
    else:
        fresh = row is not None and is_fresh(ports, row.acr, row.signed_in_at, now)
    if not fresh:
        raise SignInAgain(ports.sensitive_acrs, int(ports.sensitive_for.total_seconds()))


async def log_out(services: Services, ports: SignOnPorts, token: str) -> int:
    """End what a logout token of the provider names; gives how many sessions.

    Raises `TokenRefused`, also for one that was used before; `OAuthRefused` or `OutboundError` without the keys.
    """
    now = services.clock()
    said = await ports.client.server.checked(
        lambda keys: verify_logout_token(token, keys, ports.issuer, ports.client.client_id, now), now
    )
    async with transaction(services) as db:
        if not await once.spend(db, "logout-token", (ports.issuer, said.jti), said.void_at):
            raise TokenRefused("replayed")
        ended = await _sessions_of(db, ports, said)
        for session in ended:
            session.ended_at = now
            if session.staff_id is not None:
                sessions.wake_streams(db, session.staff_id)
                _note_end(db, session)
    return len(ended)


async def _sessions_of(db: AsyncSession, ports: SignOnPorts, said: LoggedOut) -> list[Session]:
    conditions: list[Any] = [SignOnSession.issuer == ports.issuer, Session.ended_at.is_(None)]
    if said.subject is not None:
        conditions.append(SignOnSession.subject == said.subject)
    if said.sid is not None:
        # A session whose name there we never heard may be the one: it ends too.
        conditions.append(or_(SignOnSession.sid == said.sid, SignOnSession.sid.is_(None)))
        if said.subject is None:
            conditions[-1] = SignOnSession.sid == said.sid
    query = select(Session).join(SignOnSession, SignOnSession.session_id == Session.id).where(*conditions)
    return list((await db.execute(query.with_for_update(of=Session))).scalars())


def _note_end(db: AsyncSession, session: Session) -> None:
    data = {"session": str(session.id)}
    record(db, "staff.signed_out", stream=f"staff:{session.staff_id}", actor=SYSTEM, data=data)
