"""Reads of staff accounts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role, Staff
from app.agents.models import StaffAccount
from app.database import reading
from app.errors import NotFound
from app.permissions import Permission, require
from app.services import Services

DESK = (Role.AGENT.value, Role.SUPERVISOR.value)


async def account(db: AsyncSession, staff_id: UUID) -> StaffAccount | None:
    """An active account by id."""
    found = await db.get(StaffAccount, staff_id)
    return found if found is not None and found.active else None


async def live_account(services: Services, staff_id: UUID) -> StaffAccount | None:
    """`account`, together with whoever else is asked for just now."""
    found = await services.lookups.of("staff accounts", partial(_by_id, services)).get(staff_id)
    return found if found is not None and found.active else None


async def _by_id(services: Services, ids: Sequence[UUID]) -> dict[UUID, StaffAccount]:
    async with reading(services) as db:
        found = (await db.execute(select(StaffAccount).where(StaffAccount.id.in_(ids)))).scalars()
        return {account.id: account for account in found}


async def all_accounts(db: AsyncSession, staff: Staff) -> list[StaffAccount]:
    """Every account, for an administrator."""
    require(staff, Permission.AGENTS_MANAGE)
    return list((await db.execute(select(StaffAccount).order_by(StaffAccount.login))).scalars())


async def desk(db: AsyncSession) -> list[StaffAccount]:
    """Who may work cases: active agents and supervisors."""
    statement = select(StaffAccount).where(StaffAccount.active.is_(True), StaffAccount.role.in_(DESK))
    return list((await db.execute(statement.order_by(StaffAccount.display_name))).scalars())


async def desk_member(db: AsyncSession, staff_id: UUID) -> StaffAccount:
    """One of the desk; raises `NotFound`."""
    found = await account(db, staff_id)
    if found is None or found.role not in DESK:
        raise NotFound
    return found


async def names(db: AsyncSession) -> dict[UUID, str]:
    """Display names by id, of leavers too."""
    rows = await db.execute(select(StaffAccount.id, StaffAccount.display_name))
    return {row.id: row.display_name for row in rows}
