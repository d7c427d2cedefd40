"""Staff accounts from the command line; each act leaves a leaf in the operator's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Operator
from app.agents import break_glass as glass
from app.agents import password_changes, service
from app.agents.models import StaffAccount
from app.agents.service import ISSUER, NewStaff
from app.audit.service import record
from app.commands import operating
from app.commands.wrong_use import WrongUse
from app.database import transaction
from app.errors import NotFound
from app.main import Installation
from app.provisioning import service as provisioning
from app.provisioning.rules import Person, ProvisioningPorts
from app.settings import Settings
from security.totp import provisioning_uri


async def add(house: Installation, operator: Operator, new: NewStaff, password: str) -> str:
    """Add an account; returns the address (otpauth:) that its authenticator is set up with, once."""
    async with transaction(house.services) as db:
        account, secret = await service.add(db, operator, new, password, words=(house.settings.bank,))
    return provisioning_uri(secret, account.login, f"{ISSUER} {house.settings.bank}")


async def reset(house: Installation, operator: Operator, login: str) -> tuple[str, str]:
    """A new password, and the address of a new authenticator, both for once. Raises `WrongUse`."""
    async with transaction(house.services) as db:
        staff_id = await _id_of(db, login)
        try:
            password, secret = await password_changes.reset(db, operator, staff_id)
        except NotFound:
            raise WrongUse(f"{login} has no password here, or has left") from None
        return password, provisioning_uri(secret, login.strip().casefold(), f"{ISSUER} {house.settings.bank}")


async def listed(house: Installation, operator: Operator) -> Sequence[StaffAccount]:
    """All accounts by login, leavers too."""
    async with transaction(house.services) as db:
        found = list((await db.execute(select(StaffAccount).order_by(StaffAccount.login))).scalars())
        record(db, "audit.read", stream="operator", actor=operator, data={"part": "staff"})
    return found


async def add_elsewhere(settings: Settings, operator: Operator, new: NewStaff) -> None:
    """Add an account without a password: its holder signs in at the bank's own provider."""
    person = Person(new.login.strip().casefold(), display_name=new.display_name, nick_name=new.signature)
    async with operating.opened(settings) as house, transaction(house.services) as db:
        await provisioning.create(db, operator, ProvisioningPorts("", default_role=new.role), person)


async def break_glass(
    settings: Settings, operator: Operator, login: str, lifetime: timedelta | None, reason: str
) -> str:
    """Open a sealed account for so long, or close it; says what was done. Raises `WrongUse`."""
    async with operating.opened(settings) as house, transaction(house.services) as db:
        if not house.staffing.local.tell:
            raise WrongUse("the settings have no break_glass in [staff_sign_on]: it is off")
        staff_id = await _id_of(db, login)
        try:
            if lifetime is None:
                await glass.seal_again(db, operator, house.staffing.local, staff_id)
                return f"{login} is sealed again"
            until = await glass.unseal(db, operator, house.staffing.local, staff_id, lifetime=lifetime, reason=reason)
        except NotFound:
            raise WrongUse(f"{login} has no password here, has left, or was never opened") from None
    return f"{login} may sign in with password and code until {until.isoformat(timespec='minutes')}"


async def deactivate(house: Installation, operator: Operator, login: str, reason: str) -> None:
    """End an account with every session and token of it, at once; raises `WrongUse` for an unknown login."""
    async with transaction(house.services) as db:
        await service.deactivate(db, operator, await _id_of(db, login), reason)


async def _id_of(db: AsyncSession, login: str) -> UUID:
    query = select(StaffAccount.id).where(StaffAccount.login == login.strip().casefold())
    staff_id = (await db.execute(query)).scalar_one_or_none()
    if staff_id is None:
        raise WrongUse(f"there is no account named {login}")
    return staff_id
