"""A password changed by its holder, and a new one for who has lost it. Either way every session of the account ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Staff
from app.agents import service
from app.agents.errors import SignInRefused
from app.agents.models import StaffAccount
from app.agents.new_passwords import new_password, require_good
from app.agents.ports import UNSEALED, LocalSignIn
from app.agents.service import Credentials
from app.audit.service import record
from app.database import services_of, transaction
from app.errors import NotFound
from app.permissions import Permission, require
from app.services import Services
from app.sessions import rules
from app.sessions import service as sessions
from app.sessions.models import Session
from security import passwords, totp
from security.envelope import seal
from security.secret import Secret

AT_MOST: Final = timedelta(minutes=1)
"""The life of the session that proves the old password; its token is given to nobody."""


async def change(services: Services, credentials: Credentials, new: str, *, local: LocalSignIn = UNSEALED) -> None:
    """The new password takes the place of the old one. Raises `WeakPassword`, `SignInRefused`.

    Name, old password and current code are asked for as at any sign-in, and count as one: a session is not enough.
    Where passwords are sealed none is changed, not even one that is open for an emergency: that is done on the host.
    """
    if local.sealed:
        raise SignInRefused
    require_good(new, (*local.words, credentials.login))
    started = await service.sign_in(services, credentials, kind=rules.API, lifetime=AT_MOST, local=local)
    hashed = await asyncio.to_thread(passwords.hash_password, new)
    async with transaction(services) as db:
        account = await db.get_one(StaffAccount, started.session.staff_id, with_for_update=True)
        proof = await db.get_one(Session, started.session.id)
        # Who reset or ended the account meanwhile has ended this session too, and has the last word.
        if not account.active or proof.ended_at is not None:
            raise SignInRefused
        require_good(new, (account.display_name,))
        actor = service.actor_of(account, started.session)
        account.password_hash = hashed
        account.leaf_id = record(db, "staff.password_changed", stream=f"staff:{account.id}", actor=actor, data={})
        await sessions.end_all_of_staff(db, account.id, services.clock())


async def reset(db: AsyncSession, actor: Actor, staff_id: UUID) -> tuple[str, Secret]:
    """A made password and a new authenticator secret, for whoever lost one of them; both are shown once.

    Nobody chooses the password. Raises `NotFound` for an account that has none here, or has left.
    """
    if isinstance(actor, Staff):
        require(actor, Permission.AGENTS_MANAGE)
    account = await db.get(StaffAccount, staff_id, with_for_update=True)
    if account is None or not account.active or not account.password_hash:
        raise NotFound
    services, password, secret = services_of(db), new_password(), totp.new_secret()
    key = await services.vault.service_key("staff")
    account.password_hash = await asyncio.to_thread(passwords.hash_password, password)
    account.sealed_totp, account.last_step = seal(key, service.totp_place(account.id), secret.reveal()), None
    account.leaf_id = record(db, "staff.reset", stream=f"staff:{account.id}", actor=actor, data={})
    await sessions.end_all_of_staff(db, account.id, services.clock())
    return password, secret
