"""Break-glass: an account with a password here, sealed while the bank's own sign-in works, opened for some hours.

Opening, each use and closing are leaves, and compliance hears of them by mail.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM, Actor, Role
from app.agents.models import BreakGlass, StaffAccount
from app.agents.ports import LocalSignIn
from app.audit.service import record
from app.database import services_of, transaction
from app.errors import NotFound
from app.notifications.senders import Senders
from app.notifications.service import Work, enqueue, finish
from app.services import Services
from app.sessions import service as sessions

NOTICE = "staff.notice"
WORDS = {
    "it": {
        "opened": "L'accesso d'emergenza per {login} è stato aperto alle {at} UTC.",
        "used": "L'accesso d'emergenza è stato usato da {login} alle {at} UTC.",
        "closed": "L'accesso d'emergenza per {login} è stato richiuso alle {at} UTC.",
    },
    "en": {
        "opened": "Emergency access for {login} was opened at {at} UTC.",
        "used": "Emergency access was used by {login} at {at} UTC.",
        "closed": "Emergency access for {login} was closed again at {at} UTC.",
    },
}
SUBJECT = {"it": "Riserbo: accesso d'emergenza", "en": "Riserbo: emergency access"}


async def unseal(
    db: AsyncSession, actor: Actor, local: LocalSignIn, staff_id: UUID, *, lifetime: timedelta, reason: str
) -> datetime:
    """Let the account sign in with its password until the time returned. Raises `NotFound` where it has none."""
    account = await db.get(StaffAccount, staff_id, with_for_update=True)
    if account is None or not account.active or not account.password_hash or account.role == Role.MACHINE.value:
        raise NotFound
    now = services_of(db).clock()
    until = now + lifetime
    data = {"until": until.isoformat(), "reason": reason}
    leaf_id = record(db, "break_glass.opened", stream=f"staff:{staff_id}", actor=actor, data=data)
    row = await db.get(BreakGlass, staff_id)
    if row is None:
        db.add(BreakGlass(id=staff_id, opened_at=now, until=until, leaf_id=leaf_id))
    else:
        row.opened_at, row.until, row.leaf_id = now, until, leaf_id
    await _tell(db, local, "opened", account.login)
    return until


async def seal_again(db: AsyncSession, actor: Actor, local: LocalSignIn, staff_id: UUID) -> None:
    """Close it, with every session of the account. Raises `NotFound` where nothing was ever opened."""
    account = await db.get(StaffAccount, staff_id, with_for_update=True)
    row = await db.get(BreakGlass, staff_id)
    if row is None or account is None:
        raise NotFound
    now = services_of(db).clock()
    row.until = min(row.until, now)
    row.leaf_id = record(db, "break_glass.closed", stream=f"staff:{staff_id}", actor=actor)
    await sessions.end_all_of_staff(db, staff_id, now)
    await _tell(db, local, "closed", account.login)


async def open_until(db: AsyncSession, local: LocalSignIn, account: StaffAccount) -> datetime | None:
    """Until when this account may come in by password, as the database has it now; None where it may not."""
    row = await db.get(BreakGlass, account.id, populate_existing=True) if local.tell else None
    return row.until if row is not None and row.until > services_of(db).clock() else None


async def note_use(db: AsyncSession, local: LocalSignIn, actor: Actor, account: StaffAccount, session_id: UUID) -> None:
    """A sign-in by it: a leaf of its own, and a mail."""
    data = {"session": str(session_id)}
    record(db, "break_glass.used", stream=f"staff:{account.id}", actor=actor, data=data)
    await _tell(db, local, "used", account.login)


async def _tell(db: AsyncSession, local: LocalSignIn, kind: str, login: str) -> None:
    at = services_of(db).clock().strftime("%Y-%m-%d %H:%M")
    if local.tell:
        await enqueue(db, NOTICE, {"to": local.tell, "kind": kind, "login": login, "at": at})


async def deliver(services: Services, senders: Senders, language: str, work: Work) -> None:
    """Send one notice; raises `SendFailed` for a retry."""
    told, there = work.payload, language if language in WORDS else "en"
    if senders.mail is not None:
        text = WORDS[there][told["kind"]].format(login=told["login"], at=told["at"])
        await senders.mail.send_mail(told["to"], SUBJECT[there], text)
    async with transaction(services) as db:
        data = {"topic": NOTICE, "id": str(work.id)}
        if senders.mail is not None:
            record(db, "delivery.sent", stream="log", actor=SYSTEM, data=data)
        else:
            record(db, "delivery.failed", stream="log", actor=SYSTEM, data={**data, "reason": "no_channel"})
        await finish(db, work.id, "done" if senders.mail is not None else "no_channel")
