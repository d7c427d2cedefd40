"""One's own password at the console, where staff has passwords here."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.actors import Staff
from app.agents import password_changes, queries
from app.agents.dependencies import CurrentStaff, local_sign_in
from app.agents.errors import PasswordsDiffer
from app.agents.new_passwords import LONGEST, SHORTEST
from app.agents.service import Credentials
from app.database import reading
from app.errors import NotFound, RiserboError, Unauthenticated
from app.http.dependencies import CurrentServices
from app.services import Services
from app.web.desk import DeskRoute, drop_staff_cookie, staff_bar
from app.web.pages import Form, page, see_other, site_of
from app.web.password_views import PasswordChange

router = APIRouter(include_in_schema=False, route_class=DeskRoute)


@router.get("/password")
async def password_page(request: Request, staff: CurrentStaff, services: CurrentServices) -> Response:
    """The form."""
    return page(request, _form(request, services, staff, await _login(request, services, staff)))


@router.post("/password")
async def change_password(request: Request, staff: CurrentStaff, services: CurrentServices, form: Form) -> Response:
    """By the old one and a current code, as at a sign-in; then every session ends, this one too."""
    login, new = await _login(request, services, staff), form.get("new_password", "")
    credentials = Credentials(login, form.get("password", ""), form.get("code", "")[:16])
    try:
        if new != form.get("again", ""):
            raise PasswordsDiffer
        await password_changes.change(services, credentials, new, local=local_sign_in(request))
    except RiserboError as refusal:
        return page(request, _form(request, services, staff, login, refusal.message), refusal.status)
    answer = see_other("/signin", "password_changed")
    drop_staff_cookie(answer)
    return answer


async def _login(request: Request, services: Services, staff: Staff) -> str:
    """The name that goes with the password. Raises `NotFound` where no password is good."""
    if local_sign_in(request).sealed:
        raise NotFound
    async with reading(services) as db:
        account = await queries.account(db, staff.id)
    if account is None:
        raise Unauthenticated
    return account.login


def _form(request: Request, services: Services, staff: Staff, login: str, error: str = "") -> PasswordChange:
    return PasswordChange(
        site=site_of(request),
        now=services.clock(),
        error=error,
        staff=staff_bar(request, staff),
        login=login,
        shortest=SHORTEST,
        longest=LONGEST,
    )
