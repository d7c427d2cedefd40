"""Whose account a subject at the provider is. The link is (issuer, subject); a name only leads to it the first time.

An account with a password of our own is never linked by a name that the provider says: break-glass stays out of reach.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.agents.models import StaffAccount
from app.audit.service import record
from app.database import services_of
from app.http.texts import CleanLine
from app.ids import new_id
from app.provisioning import queries as provisioned
from app.provisioning import service as provisioning
from app.provisioning.errors import NameInUse, ScimRefused
from app.provisioning.models import ProvisionedAccount
from app.provisioning.rules import Person, ProvisioningPorts
from app.sign_on.models import StaffSubject
from app.sign_on.rules import LOGIN, SignOnPorts
from security.id_tokens import Identity

LONGEST_NAME = 100
_LINE: TypeAdapter[str] = TypeAdapter(CleanLine)


async def of_identity(db: AsyncSession, ports: SignOnPorts, identity: Identity) -> StaffAccount | str:
    """The account, locked; or a word that says why there is none."""
    if ports.roles and ports.role_in(identity.claims) is None:
        return "role"
    query = select(StaffSubject).where(StaffSubject.issuer == ports.issuer, StaffSubject.subject == identity.subject)
    link = (await db.execute(query.with_for_update())).scalar_one_or_none()
    if link is not None and not await _is_gone(db, link.staff_id):
        return await _locked(db, link.staff_id)
    found = await _named(db, ports, identity)
    if isinstance(found, str):
        return found
    taken = select(StaffSubject.id).where(StaffSubject.issuer == ports.issuer, StaffSubject.staff_id == found.id)
    if (await db.execute(taken)).first() is not None:
        return "other_subject"
    _link(db, ports, identity, link, found)
    return found


def set_role(db: AsyncSession, ports: SignOnPorts, identity: Identity, account: StaffAccount) -> None:
    """The role of today's groups, where the settings have a table for them."""
    role = ports.role_in(identity.claims) if ports.roles else None
    if role is None or role == account.role:
        return
    data = {"from": account.role, "to": role.value}
    account.role = role.value
    account.leaf_id = record(db, "staff.role_changed", stream=f"staff:{account.id}", actor=SYSTEM, data=data)


def _link(
    db: AsyncSession, ports: SignOnPorts, identity: Identity, link: StaffSubject | None, account: StaffAccount
) -> None:
    now = services_of(db).clock()
    data = {"issuer": ports.issuer}
    leaf_id = record(db, "staff.linked", stream=f"staff:{account.id}", actor=SYSTEM, data=data)
    if link is None:
        db.add(
            StaffSubject(
                id=new_id(now),
                issuer=ports.issuer,
                subject=identity.subject,
                staff_id=account.id,
                linked_at=now,
                leaf_id=leaf_id,
            )
        )
    else:
        link.staff_id, link.linked_at, link.leaf_id = account.id, now, leaf_id


async def _is_gone(db: AsyncSession, account_id: UUID) -> bool:
    """Whether provisioning has deleted it: whoever comes with this subject now has been hired again."""
    kept = await db.get(ProvisionedAccount, account_id)
    return kept is not None and kept.deleted_at is not None


async def _locked(db: AsyncSession, account_id: UUID) -> StaffAccount:
    return await db.get_one(StaffAccount, account_id, with_for_update=True)


async def _named(db: AsyncSession, ports: SignOnPorts, identity: Identity) -> StaffAccount | str:
    said = identity.claims.get(ports.account_claim)
    try:
        name = _LINE.validate_python(said, strict=True)
    except ValidationError:
        name = ""
    if not name or len(name.casefold()) > LONGEST_NAME:
        return "not_named"
    by_login = ports.named_by == LOGIN
    found = await provisioned.named(db, login=name.casefold() if by_login else "", external_id="" if by_login else name)
    if found is not None:
        return await _locked(db, found[0].id)
    return await _created(db, ports, identity, name) if ports.creates_accounts else "no_account"


async def _created(db: AsyncSession, ports: SignOnPorts, identity: Identity, name: str) -> StaffAccount | str:
    """Somebody whom nobody announced; only where the settings allow that, and with the role of the groups."""
    role = ports.role_in(identity.claims)
    by_login = ports.named_by == LOGIN
    person = Person(
        user_name=name.casefold(),
        external_id=None if by_login else name,
        display_name=_line(identity, "name"),
        given_name=_line(identity, "given_name"),
        family_name=_line(identity, "family_name"),
    )
    try:
        account, _ = await provisioning.create(db, SYSTEM, ProvisioningPorts("", default_role=role), person)
    except (NameInUse, ScimRefused):
        return "name_in_use"
    return account


def _line(identity: Identity, claim: str) -> str:
    try:
        text = _LINE.validate_python(identity.claims.get(claim), strict=True)
    except ValidationError:
        return ""
    return text[:LONGEST_NAME]
