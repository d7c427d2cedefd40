"""The staff door's pages: sign-in and out here, the rest of the console included from the modules beside this one."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role
from app.agents import queries, service
from app.agents.dependencies import CurrentStaff, local_sign_in
from app.agents.models import StaffAccount
from app.agents.service import Credentials
from app.database import reading, transaction
from app.errors import RiserboError, Unauthenticated
from app.http.dependencies import CurrentServices, Now, ReadDb
from app.sessions import rules
from app.sessions.models import Session
from app.web.case_pages import router as case_pages
from app.web.desk import LANDING, DeskRoute, drop_staff_cookie, set_staff_cookie, sign_in_view, staff_bar
from app.web.export_pages import router as export_pages
from app.web.pages import Form, page, see_other, site_of
from app.web.password_pages import router as password_pages
from app.web.queue_pages import router as queue_pages
from app.web.sign_on_pages import router as sign_on_pages
from app.web.staff_room_pages import router as room_pages
from app.web.staff_room_pages import streams
from app.web.staff_views import AgentRow, Agents, RoleName

router = APIRouter(include_in_schema=False)
desk = APIRouter(include_in_schema=False, route_class=DeskRoute)
LONGEST_NAME: Final = 100


@router.get("/signin")
async def sign_in_page(request: Request) -> Response:
    """The staff door's way in. The form for name and password is a matter of the address, not of what is open."""
    return page(request, sign_in_view(request, emergency="emergency" in request.query_params))


@router.post("/signin")
async def sign_in(request: Request, services: CurrentServices, form: Form) -> Response:
    """Name, password and current code become a session; the role decides where it begins."""
    name = form.get("name", "")[:LONGEST_NAME]
    credentials = Credentials(name, form.get("password", ""), form.get("code", "")[:16])
    try:
        started = await service.sign_in(services, credentials, kind=rules.STAFF, local=local_sign_in(request))
        async with reading(services) as db:
            account = await queries.account(db, started.session.staff_id) if started.session.staff_id else None
        if account is None:
            raise Unauthenticated
    except RiserboError as refusal:
        return page(request, sign_in_view(request, refusal.message, name, emergency=True), refusal.status)
    answer = see_other(LANDING[Role(account.role)])
    set_staff_cookie(answer, started.token)
    return answer


@desk.post("/signout")
async def sign_out(staff: CurrentStaff, services: CurrentServices) -> Response:
    """End this session, at once."""
    async with transaction(services) as db:
        await service.sign_out(db, staff)
    answer = see_other("/signin")
    drop_staff_cookie(answer)
    return answer


@desk.get("/")
async def start(staff: CurrentStaff) -> Response:
    """Where this role's work is."""
    return see_other(LANDING[staff.role])


@desk.get("/agents")
async def agents(request: Request, staff: CurrentStaff, db: ReadDb, now: Now) -> Response:
    """Who may work here, for an administrator."""
    accounts = await queries.all_accounts(db, staff)
    seen = await _last_seen(db)
    rows = tuple(_agent_row(account, seen.get(account.id)) for account in accounts)
    return page(request, Agents(site=site_of(request), now=now, staff=staff_bar(request, staff), rows=rows))


def _agent_row(account: StaffAccount, last_seen_at: datetime | None) -> AgentRow:
    return AgentRow(
        name=account.login,
        display_name=account.display_name,
        signature=account.signature,
        role=cast("RoleName", account.role),
        active=account.active,
        created_at=account.created_at,
        last_seen_at=last_seen_at,
    )


async def _last_seen(db: AsyncSession) -> dict[UUID, datetime]:
    """When each member's newest session or token was last in use."""
    rows = await db.execute(
        select(Session.staff_id, func.max(Session.last_seen_at))
        .where(Session.staff_id.is_not(None))
        .group_by(Session.staff_id)
    )
    return {staff_id: seen_at for staff_id, seen_at in rows if staff_id is not None}


for part in (sign_on_pages, desk, password_pages, queue_pages, case_pages, room_pages, streams, export_pages):
    router.include_router(part)
