"""Joiners, changes and leavers. What changes nothing leaves nothing: the same request again is the same account."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Role
from app.agents import service as agents
from app.agents.models import StaffAccount
from app.audit.service import record
from app.database import services_of
from app.ids import new_id
from app.provisioning.errors import NameInUse
from app.provisioning.models import ProvisionedAccount
from app.provisioning.queries import Found
from app.provisioning.rules import Person, ProvisioningPorts

LEFT = "provisioning"


async def create(db: AsyncSession, actor: Actor, ports: ProvisioningPorts, person: Person) -> Found:
    """A joiner: an account without a password of our own. Raises `NameInUse`, `ScimRefused`."""
    role = ports.role_of(person.roles or ())
    taken = select(StaffAccount.id).where(StaffAccount.login == person.user_name)
    if (await db.execute(taken)).first() is not None:
        raise NameInUse
    now = services_of(db).clock()
    account_id, active = new_id(now), person.active is not False
    leaf_id = record(db, "staff.added", stream=f"staff:{account_id}", actor=actor, data={"role": role.value})
    if not active:
        leaf_id = _note(db, actor, account_id, "staff.deactivated", {"reason": LEFT})
    account = StaffAccount(
        id=account_id,
        login=person.user_name,
        display_name=person.shown_name,
        signature=person.signature,
        role=role.value,
        password_hash="",
        sealed_totp=b"",
        last_step=None,
        active=active,
        created_at=now,
        leaf_id=leaf_id,
    )
    db.add(account)
    await _flush(db)
    kept = _kept(account_id, person, now, leaf_id)
    db.add(kept)
    await _flush(db)
    return account, kept


async def change(db: AsyncSession, actor: Actor, ports: ProvisioningPorts, found: Found, person: Person) -> Found:
    """The account as the client wants it now, from `queries.locked`. Raises `NameInUse`, `ScimRefused`.

    A leaver is never held up by roles that stand for nothing.
    """
    account, kept = found
    now = services_of(db).clock()
    before = (account.login, account.display_name, account.signature, _words(kept))
    kept = kept or _kept(account.id, Person(account.login), now, account.leaf_id)
    words = (person.external_id, person.given_name, person.family_name, _roles(kept, person))
    leaves = []
    if words[-1] != kept.roles and person.active is not False:
        leaves += _change_role(db, actor, account, ports.role_of(person.roles or ()))
    if (person.user_name, person.shown_name, person.signature, words) != before:
        leaves.append(_note(db, actor, account.id, "staff.changed", {}))
        account.login, account.display_name, account.signature = person.user_name, person.shown_name, person.signature
        kept.external_id, kept.given_name, kept.family_name, kept.roles = words
    if leaves:
        await _store(db, account, kept, leaves[-1])
    if person.active is not None and account.active != person.active:
        await _store(db, account, kept, await _change_active(db, actor, account, active=person.active))
    return account, kept


async def delete(db: AsyncSession, actor: Actor, found: Found) -> None:
    """A leaver for good: deactivated, unknown to the client from now on, and the name free for somebody else.

    The account itself stays, because the evidence names it. `found` is from `queries.locked`.
    """
    account, kept = found
    now = services_of(db).clock()
    kept = kept or _kept(account.id, Person(account.login), now, account.leaf_id)
    if account.active:
        await _change_active(db, actor, account, active=False)
    account.login = f"{account.login} (left {account.id})"
    kept.external_id, kept.deleted_at = None, now
    await _store(db, account, kept, _note(db, actor, account.id, "staff.removed", {}))


def _roles(kept: ProvisionedAccount, person: Person) -> str:
    return kept.roles if person.roles is None else json.dumps(person.roles)


def _change_role(db: AsyncSession, actor: Actor, account: StaffAccount, role: Role) -> list[UUID]:
    if role == account.role:
        return []
    data = {"from": account.role, "to": role.value}
    account.role = role.value
    return [_note(db, actor, account.id, "staff.role_changed", data)]


async def _change_active(db: AsyncSession, actor: Actor, account: StaffAccount, *, active: bool) -> UUID:
    if active:
        account.active = True
        return _note(db, actor, account.id, "staff.reactivated", {})
    await agents.end_account(db, actor, account, LEFT)
    return account.leaf_id


async def _store(db: AsyncSession, account: StaffAccount, kept: ProvisionedAccount, leaf_id: UUID) -> None:
    account.leaf_id = kept.leaf_id = leaf_id
    kept.changed_at = services_of(db).clock()
    db.add(kept)
    await _flush(db)


def _kept(account_id: UUID, person: Person, now: datetime, leaf_id: UUID) -> ProvisionedAccount:
    return ProvisionedAccount(
        id=account_id,
        external_id=person.external_id,
        given_name=person.given_name,
        family_name=person.family_name,
        roles=json.dumps(person.roles or ()),
        changed_at=now,
        deleted_at=None,
        leaf_id=leaf_id,
    )


def _words(kept: ProvisionedAccount | None) -> tuple[str | None, str, str, str] | None:
    return (kept.external_id, kept.given_name, kept.family_name, kept.roles) if kept is not None else None


def _note(db: AsyncSession, actor: Actor, account_id: UUID, event: str, data: dict[str, str]) -> UUID:
    return record(db, event, stream=f"staff:{account_id}", actor=actor, data=data)


async def _flush(db: AsyncSession) -> None:
    """What two clients do at once: the names are unique in the database, whoever looked first."""
    try:
        await db.flush()
    except IntegrityError:
        raise NameInUse from None
