"""`/api/v1/tokens`: password and code in, opaque token out; and out with it again."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter

from app.agents import queries, service
from app.agents.dependencies import CurrentStaff
from app.agents.schemas import StaffOut, TokenOut, TokenRequest
from app.agents.service import Credentials
from app.database import reading
from app.errors import Unauthenticated
from app.http.dependencies import CurrentServices, Db, ReadDb
from app.sessions import rules

router = APIRouter(prefix="/api/v1", tags=["staff"])


@router.post("/tokens", status_code=201)
async def make_token(body: TokenRequest, services: CurrentServices) -> TokenOut:
    """A new token for this member of staff; 401 with one answer for every cause."""
    credentials = Credentials(body.login, body.password.get_secret_value(), body.code.get_secret_value())
    lifetime = timedelta(minutes=body.lifetime_minutes)
    started = await service.sign_in(services, credentials, kind=rules.API, lifetime=lifetime)
    async with reading(services) as db:
        account = await queries.account(db, started.session.staff_id) if started.session.staff_id else None
    if account is None:
        raise Unauthenticated
    return TokenOut(
        token=started.token,
        role=account.role,
        scopes=started.session.scopes.split(),
        expires_at=started.session.expires_at,
    )


@router.delete("/tokens/current", status_code=204)
async def end_token(staff: CurrentStaff, db: Db) -> None:
    """Revoke the token that this very request carries."""
    await service.sign_out(db, staff)


@router.get("/staff/me")
async def me(staff: CurrentStaff, db: ReadDb) -> StaffOut:
    """Who this token is."""
    account = await queries.account(db, staff.id)
    if account is None:
        raise Unauthenticated
    return StaffOut(
        id=account.id,
        login=account.login,
        display_name=account.display_name,
        role=account.role,
        active=account.active,
    )


@router.get("/staff")
async def desk(_staff: CurrentStaff, db: ReadDb) -> list[StaffOut]:
    """Who may work cases, for a transfer."""
    return [
        StaffOut(id=one.id, login=one.login, display_name=one.display_name, role=one.role, active=one.active)
        for one in await queries.desk(db)
    ]
