"""Staff accounts from the command line; each act leaves a leaf in the operator's name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.actors import Operator
from app.agents import service
from app.agents.models import StaffAccount
from app.agents.service import ISSUER, NewStaff
from app.audit.service import record
from app.commands.wrong_use import WrongUse
from app.database import transaction
from app.main import Installation
from security.totp import provisioning_uri


async def add(house: Installation, operator: Operator, new: NewStaff, password: str) -> str:
    """Add an account; returns the address (otpauth:) that its authenticator is set up with, once."""
    async with transaction(house.services) as db:
        account, secret = await service.add(db, operator, new, password)
    return provisioning_uri(secret, account.login, f"{ISSUER} {house.settings.bank}")


async def listed(house: Installation, operator: Operator) -> Sequence[StaffAccount]:
    """All accounts by login, leavers too."""
    async with transaction(house.services) as db:
        found = list((await db.execute(select(StaffAccount).order_by(StaffAccount.login))).scalars())
        record(db, "audit.read", stream="operator", actor=operator, data={"part": "staff"})
    return found


async def deactivate(house: Installation, operator: Operator, login: str, reason: str) -> None:
    """End an account with every session and token of it, at once; raises `WrongUse` for an unknown login."""
    async with transaction(house.services) as db:
        query = select(StaffAccount.id).where(StaffAccount.login == login.strip().casefold())
        staff_id = (await db.execute(query)).scalar_one_or_none()
        if staff_id is None:
            raise WrongUse(f"there is no account named {login}")
        await service.deactivate(db, operator, staff_id, reason)
