"""Accounts and sign-in of staff: argon2 password and an 8-digit TOTP that works once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NoReturn
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Role, Staff
from app.agents import break_glass
from app.agents.errors import LoginTaken, ScopeNotHeld, SignInRefused
from app.agents.models import AccessToken, StaffAccount
from app.agents.new_passwords import require_good
from app.agents.ports import UNSEALED, LocalSignIn
from app.audit.service import record
from app.database import reading, services_of, transaction
from app.errors import NotFound
from app.ids import new_id
from app.limits import guesses, rates
from app.permissions import ROLE_PERMISSIONS, Permission, require
from app.policy import GuessPolicy, Rate
from app.services import Services
from app.sessions import service as sessions
from app.sessions.models import Session
from app.sessions.rules import scopes_of
from app.sessions.service import Started
from security import passwords, totp
from security.envelope import Place, seal
from security.errors import CodeRefused, PasswordRefused
from security.secret import Secret

SIGN_IN_POLICY: Final = GuessPolicy(in_a_row=5, first_lock=timedelta(minutes=1), longest_lock=timedelta(minutes=30))
WRONG_CODES: Final = Rate(30, timedelta(days=30))
"""Behind the right password; the locks alone would leave its thief some ninety thousand a year."""
ISSUER: Final = "Riserbo"


@dataclass(frozen=True)
class NewStaff:
    """What an administrator gives for a new account."""

    login: str
    display_name: str
    signature: str
    role: Role


@dataclass(frozen=True)
class Credentials:
    """What somebody typed to sign in; never printed."""

    login: str
    password: str
    code: str

    def __repr__(self) -> str:
        return "<Credentials>"


async def add(
    db: AsyncSession,
    actor: Actor,
    new: NewStaff,
    password: str,
    totp_secret: Secret | None = None,
    *,
    words: Collection[str] = (),
) -> tuple[StaffAccount, Secret]:
    """Add an account; returns it with its authenticator secret, which is shown once and kept sealed.

    `words` are the bank's own, which no password is to be made of. Raises `WeakPassword`, `LoginTaken`.
    """
    if isinstance(actor, Staff):
        require(actor, Permission.AGENTS_MANAGE)
    require_good(password, (*words, new.login, new.display_name))
    login = new.login.strip().casefold()
    if (await db.execute(select(StaffAccount.id).where(StaffAccount.login == login))).first() is not None:
        raise LoginTaken
    services = services_of(db)
    now, secret = services.clock(), totp_secret or totp.new_secret()
    staff_id = new_id(now)
    key = await services.vault.service_key("staff")
    account = StaffAccount(
        id=staff_id,
        login=login,
        display_name=new.display_name,
        signature=new.signature,
        role=new.role.value,
        password_hash=await asyncio.to_thread(passwords.hash_password, password),
        sealed_totp=seal(key, totp_place(staff_id), secret.reveal()),
        last_step=None,
        active=True,
        created_at=now,
        leaf_id=record(db, "staff.added", stream=f"staff:{staff_id}", actor=actor, data={"role": new.role.value}),
    )
    db.add(account)
    return account, secret


async def deactivate(db: AsyncSession, actor: Actor, staff_id: UUID, reason: str) -> None:
    """End an account with every session and token of it, at once."""
    if isinstance(actor, Staff):
        require(actor, Permission.AGENTS_MANAGE)
    account = await db.get(StaffAccount, staff_id, with_for_update=True)
    if account is None:
        raise NotFound
    await end_account(db, actor, account, reason)


async def end_account(db: AsyncSession, actor: Actor, account: StaffAccount, reason: str) -> None:
    """End a locked account with every session and token of it; its streams end with the commit. Who may: the caller."""
    account.active = False
    account.leaf_id = record(
        db, "staff.deactivated", stream=f"staff:{account.id}", actor=actor, data={"reason": reason}
    )
    await sessions.end_all_of_staff(db, account.id, services_of(db).clock())


@dataclass(frozen=True)
class _Wish:
    kind: str
    lifetime: timedelta | None
    scopes: frozenset[str] | None
    jkt: str | None
    local: LocalSignIn


async def sign_in(
    services: Services,
    credentials: Credentials,
    *,
    kind: str,
    lifetime: timedelta | None = None,
    scopes: frozenset[str] | None = None,
    jkt: str | None = None,
    local: LocalSignIn = UNSEALED,
) -> Started:
    """A session for name, password and current code. Raises `SignInRefused`, the same for every cause.

    `scopes` are fewer than the role's, `jkt` is the key (RFC 7638 thumbprint) that the token will be bound to.
    The slow password check runs outside the transaction, and for unknown names too, so that time tells nothing.
    """
    login = credentials.login.strip().casefold()
    counter = await services.vault.lookup_hash("staff-sign-in", login)
    now = services.clock()
    async with reading(services) as db:
        account = (await db.execute(select(StaffAccount).where(StaffAccount.login == login))).scalar_one_or_none()
        locked = (await guesses.state_of(db, counter, now)).is_locked(now)
    # An account without password (a program's, or one of another sign-in) is refused as an unknown one is.
    has_password = account is not None and bool(account.password_hash)
    expected = account.password_hash if account is not None and has_password else passwords.DUMMY_HASH
    try:
        await asyncio.to_thread(passwords.check_password, expected, credentials.password)
        password_right = has_password
    except PasswordRefused:
        password_right = False
    async with transaction(services) as db:
        if locked:
            await _refuse(db, None, account, "locked")
        if account is None or not account.active or not password_right:
            await _refuse(db, counter, account, "password")
        if local.sealed:
            until = await break_glass.open_until(db, local, account)
            if until is None:
                await _refuse(db, None, account, "sealed")
            lifetime = until - now if lifetime is None else min(lifetime, until - now)
        wish = _Wish(kind, lifetime, scopes, jkt, local)
        return await _second_factor(db, account, credentials.code, counter, wish)


async def _second_factor(db: AsyncSession, known: StaffAccount, code: str, counter: bytes, wish: _Wish) -> Started:
    services = services_of(db)
    now = services.clock()
    account = await db.get_one(StaffAccount, known.id, with_for_update=True)
    if not account.active:
        # somebody left while the password was being checked
        await _refuse(db, None, account, "password")
    if wish.local.sealed and await break_glass.open_until(db, wish.local, account) is None:
        await _refuse(db, None, account, "sealed")
    # Looked at again under the lock: of many guesses at once only the first few are evaluated.
    if (await guesses.state_of(db, counter, now)).is_locked(now):
        await _refuse(db, None, account, "locked")
    budget = await services.vault.lookup_hash("staff-codes", str(account.id))
    if not await rates.take(db, budget, WRONG_CODES.limit, WRONG_CODES.per, now):
        await _refuse(db, None, account, "locked")
    secret = Secret(await services.vault.open(totp_place(account.id), account.sealed_totp))
    try:
        step = totp.check(secret, code, now, account.last_step)
    except CodeRefused:
        await _refuse(db, counter, account, "code")
    await guesses.forgive(db, counter, now)
    await rates.give_back(db, budget, WRONG_CODES.limit, WRONG_CODES.per)
    held = ROLE_PERMISSIONS[Role(account.role)]
    if wish.scopes is not None and not wish.scopes <= held:
        raise ScopeNotHeld
    scopes = " ".join(sorted(held if wish.scopes is None else wish.scopes))
    started = await sessions.start_staff(db, account.id, now, kind=wish.kind, scopes=scopes, lifetime=wish.lifetime)
    if wish.jkt is not None:
        bind(db, started, wish.jkt)
    if wish.local.sealed:
        await break_glass.note_use(db, wish.local, actor_of(account, started.session), account, started.session.id)
    account.last_step = step
    account.leaf_id = record(
        db,
        "staff.signed_in",
        stream=f"staff:{account.id}",
        actor=actor_of(account, started.session),
        data={"means": wish.kind, "session": str(started.session.id)},
    )
    return started


def bind(db: AsyncSession, started: Started, jkt: str) -> None:
    """From now on the token is worth nothing without a proof by this key."""
    name = started.session.token_hash
    token = AccessToken(session_id=started.session.id, token_key=name, issuer="", client_id="", jkt=jkt)
    db.add(token)


async def _refuse(db: AsyncSession, counter: bytes | None, account: StaffAccount | None, reason: str) -> NoReturn:
    """Count, leave a leaf where the account is known, raise. Without `counter` nothing was evaluated, nor counts."""
    services = services_of(db)
    if counter is not None:
        await guesses.count_wrong(db, counter, SIGN_IN_POLICY, services.clock())
    if account is not None:
        nobody = Staff(account.id, account.id, Role(account.role), "", "")
        record(db, "staff.refused", stream=f"staff:{account.id}", actor=nobody, data={"reason": reason})
    raise SignInRefused


async def sign_out(db: AsyncSession, staff: Staff) -> None:
    """End this session or token, at once."""
    await sessions.end(db, staff.session_id, services_of(db).clock())
    record(db, "staff.signed_out", stream=f"staff:{staff.id}", actor=staff, data={"session": str(staff.session_id)})


def actor_of(account: StaffAccount, session: Session) -> Staff:
    """The actor that a live session of this account is."""
    role, scopes = Role(account.role), scopes_of(session.scopes)
    return Staff(account.id, session.id, role, account.display_name, account.signature, scopes)


def totp_place(staff_id: UUID) -> Place:
    """Where the authenticator's secret is sealed to."""
    return Place("staff_accounts", "sealed_totp", str(staff_id))
