"""Which accounts a provisioning client sees: people without a password of our own, and nobody that it has deleted.

An account with a password here (the first administrator, break-glass) is none of its business, nor is a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role
from app.agents.models import StaffAccount
from app.errors import NotFound
from app.provisioning.filters import Wanted
from app.provisioning.models import ProvisionedAccount

Found = tuple[StaffAccount, ProvisionedAccount | None]


def _visible(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .outerjoin(ProvisionedAccount, ProvisionedAccount.id == StaffAccount.id)
        .where(
            StaffAccount.password_hash == "",
            StaffAccount.role != Role.MACHINE.value,
            or_(ProvisionedAccount.id.is_(None), ProvisionedAccount.deleted_at.is_(None)),
        )
    )


async def one(db: AsyncSession, account_id: UUID) -> Found:
    """An account with what the client says of it; raises `NotFound`."""
    query = _visible(StaffAccount, ProvisionedAccount).where(StaffAccount.id == account_id)
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


async def locked(db: AsyncSession, account_id: UUID) -> Found:
    """The same, nobody else changing it meanwhile."""
    await db.get(StaffAccount, account_id, with_for_update=True)
    return await one(db, account_id)


async def page(db: AsyncSession, wanted: Wanted) -> tuple[Sequence[Found], int]:
    """Some accounts by login, and how many there are of them in all."""
    conditions = []
    if wanted.attribute == "username":
        conditions.append(StaffAccount.login == wanted.value.casefold())
    elif wanted.attribute == "externalid":
        conditions.append(ProvisionedAccount.external_id == wanted.value)
    elif wanted.attribute == "id":
        conditions.append(StaffAccount.id == _id_of(wanted.value))
    total = (await db.execute(_visible(func.count()).select_from(StaffAccount).where(*conditions))).scalar_one()
    rows = await db.execute(
        _visible(StaffAccount, ProvisionedAccount)
        .where(*conditions)
        .order_by(StaffAccount.login)
        .offset(wanted.start - 1)
        .limit(wanted.count)
    )
    return [(row[0], row[1]) for row in rows], total


async def named(db: AsyncSession, *, login: str = "", external_id: str = "") -> Found | None:
    """The account of this login or external id, for whoever signs in elsewhere."""
    condition = StaffAccount.login == login if login else ProvisionedAccount.external_id == external_id
    row = (await db.execute(_visible(StaffAccount, ProvisionedAccount).where(condition))).one_or_none()
    return None if row is None else (row[0], row[1])


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
