"""The console's sign-in at the bank's own provider: leaving, coming back, once more, and the provider's word of an end.

The address to leave for opens by `Refresh` from a page of ours, because `form-action` would stop a form's redirects.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.actors import Role, Staff
from app.agents.dependencies import CurrentStaff
from app.errors import NotFound, RiserboError
from app.http.dependencies import CurrentServices
from app.oauth.errors import OAuthRefused
from app.outbound import OutboundError
from app.services import Services
from app.sign_on import redirects
from app.sign_on.dependencies import sign_on_ports
from app.sign_on.errors import NotSignedIn, ProviderAway
from app.sign_on.redirects import Returned
from app.sign_on.rules import LONGEST_FLOW, SignOnPorts
from app.sign_on.service import log_out
from app.web.desk import LANDING, DeskRoute, set_staff_cookie, sign_in_view
from app.web.pages import Form, page, site_of
from app.web.staff_views import Arrived, Departing
from security.errors import TokenRefused
from security.tokens import new_token

router = APIRouter(include_in_schema=False)
desk = APIRouter(include_in_schema=False, route_class=DeskRoute)
COOKIE: Final = "__Host-riserbo-sign-on"
LONGEST_COOKIE: Final = 100
PRIVATE: Final = {"Cache-Control": "no-store"}


@router.post("/signin/provider")
async def leave(request: Request, services: CurrentServices) -> Response:
    """To the bank's own sign-in."""
    return await _departing(request, services, None)


@desk.post("/signin/again")
async def leave_again(request: Request, staff: CurrentStaff, services: CurrentServices) -> Response:
    """To the bank's own sign-in, for a session that needs a stronger or newer one."""
    return await _departing(request, services, staff)


@router.get("/signin/return")
async def come_back(request: Request, services: CurrentServices) -> Response:
    """The provider's answer: once, in the browser that left. Every refusal looks the same."""
    ports, browser = _ports(request), request.cookies.get(COOKIE, "")
    try:
        done = await redirects.come_back(services, ports, browser[:LONGEST_COOKIE], _returned(request))
    except (NotSignedIn, ProviderAway) as refusal:
        return page(request, sign_in_view(request, refusal.message), refusal.status)
    target = "/exports" if done.again and done.role is Role.COMPLIANCE else LANDING[done.role]
    answer = page(request, Arrived(site=site_of(request), now=services.clock(), target=target))
    answer.headers["Refresh"] = f"0; url={target}"
    set_staff_cookie(answer, done.token)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.post("/signin/backchannel-logout")
async def told_of_an_end(request: Request, services: CurrentServices, form: Form) -> Response:
    """The provider says that a session is over (OpenID Connect Back-Channel Logout 1.0): ours end with it."""
    ports = _ports(request)
    try:
        await log_out(services, ports, form.get("logout_token", ""))
    except (TokenRefused, OAuthRefused):
        return JSONResponse({"error": "invalid_request"}, 400, PRIVATE)
    except OutboundError:
        raise ProviderAway(retry_after=5) from None
    return Response(status_code=200, headers=PRIVATE)


async def _departing(request: Request, services: Services, again: Staff | None) -> Response:
    ports = _ports(request)
    browser = request.cookies.get(COOKIE, "")
    if not browser or len(browser) > LONGEST_COOKIE:
        browser = new_token()
    try:
        url = await redirects.leave(services, ports, browser, again)
    except RiserboError as refusal:
        return page(request, sign_in_view(request, refusal.message), refusal.status)
    host = urlsplit(url).netloc
    view = Departing(site=site_of(request), now=services.clock(), destination=ports.label, host=host, url=url)
    answer = page(request, view)
    answer.headers["Refresh"] = f"0; url={url}"
    # Lax, because the return comes from another site; it is worth nothing without the state that only the URL has.
    age = int(LONGEST_FLOW.total_seconds())
    answer.set_cookie(COOKIE, browser, max_age=age, httponly=True, secure=True, samesite="lax", path="/")
    return answer


def _returned(request: Request) -> Returned:
    """The callback's parameters; one that comes twice could be read in two ways."""
    asked = request.query_params
    if any(len(asked.getlist(name)) > 1 for name in ("state", "code", "iss")):
        return Returned("", "", None)
    return Returned(asked.get("state", ""), asked.get("code", ""), asked.get("iss"))


def _ports(request: Request) -> SignOnPorts:
    ports = sign_on_ports(request)
    if ports is None:
        raise NotFound
    return ports


router.include_router(desk)
