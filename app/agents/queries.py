"""Reads of staff accounts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role, Staff
from app.agents.models import AccessToken, MachineClient, StaffAccount
from app.bulk import among, listed
from app.database import querying
from app.errors import NotFound
from app.permissions import Permission, require
from app.services import Services
from app.sessions.models import Session
from app.sessions.rules import scopes_of

DESK = (Role.AGENT.value, Role.SUPERVISOR.value)


async def account(db: AsyncSession, staff_id: UUID) -> StaffAccount | None:
    """An active account by id."""
    found = await db.get(StaffAccount, staff_id)
    return found if found is not None and found.active else None


async def signed_in(services: Services, hashed: bytes) -> Any:
    """The session of this token with its account (`staff_id`, `active`, …), read together with whoever asks just now.

    None if there is no such session; whether it lives and the account is active is for the caller to see.
    """
    return await services.lookups.of("staff", partial(_by_token, services)).get(hashed)


def staff_of(found: Any) -> Staff:
    """The actor of what `signed_in` found, once it is known to be live and active."""
    return Staff(
        found.staff_id, found.id, Role(found.role), found.display_name, found.signature, scopes_of(found.scopes)
    )


async def _by_token(services: Services, hashes: Sequence[bytes]) -> dict[bytes, Any]:
    dialect = services.read_engine.dialect.name
    async with querying(services) as connection:
        rows = await connection.execute(_signed_in(dialect), listed(hashes))
        return {row.token_hash: row for row in rows}


@lru_cache
def _signed_in(dialect: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Session.token_hash,
            Session.id,
            Session.kind,
            Session.level,
            Session.binding_id,
            Session.last_seen_at,
            Session.expires_at,
            Session.ended_at,
            Session.scopes,
            AccessToken.session_id.label("access_token"),
            AccessToken.jkt,
            StaffAccount.id.label("staff_id"),
            StaffAccount.role,
            StaffAccount.display_name,
            StaffAccount.signature,
            StaffAccount.active,
        )
        .outerjoin(StaffAccount, StaffAccount.id == Session.staff_id)
        .outerjoin(AccessToken, AccessToken.session_id == Session.id)
        .where(among(dialect, Session.token_hash))
    )


async def all_accounts(db: AsyncSession, staff: Staff) -> list[StaffAccount]:
    """Every account, for an administrator."""
    require(staff, Permission.AGENTS_MANAGE)
    return list((await db.execute(select(StaffAccount).order_by(StaffAccount.login))).scalars())


async def machine_client(db: AsyncSession, issuer: str, client_id: str) -> tuple[MachineClient, StaffAccount] | None:
    """A registered program with its account, active or not; `issuer` is "" for those of our own server."""
    found = await db.execute(
        select(MachineClient, StaffAccount)
        .join(StaffAccount, StaffAccount.id == MachineClient.id)
        .where(MachineClient.issuer == issuer, MachineClient.client_id == client_id)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


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
