"""The demo's first page: the story in steps, the people, and what each member of staff signs in with now."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.database import reading
from app.demo import cast
from app.demo.bank import DemoBank, StaffKey
from app.handover.queries import newest_case_link
from app.http.problems import install_problem_handlers
from app.http.request_ids import RequestIds
from app.web.demo_views import DemoPerson, DemoStaff, DemoStart
from app.web.error_pages import render_error
from app.web.headers import SecurityHeaders
from app.web.pages import page, site_of
from app.web.reports import router as report_routes
from app.web.statics import router as static_routes
from security import totp


def create_start_app(bank: DemoBank) -> FastAPI:
    """The site `demo.localhost`."""
    house, addresses = bank.house, bank.addresses
    app = FastAPI(title="Riserbo demo", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = house.services
    app.state.page_settings = house.pages
    app.state.staff_door = False
    app.include_router(static_routes)
    app.include_router(report_routes)

    @app.get("/")
    async def start(request: Request) -> Response:
        async with reading(house.services) as db:
            case_link = await newest_case_link(db, house.handover)
        view = DemoStart(
            site=site_of(request),
            now=house.services.clock(),
            square=bank.network.address,
            bank=addresses.url("bank"),
            staff_door=addresses.url("staff"),
            phone=addresses.url("phone"),
            verify=f"{addresses.url('bank')}/verify",
            people=tuple(_person(bank, one) for one in cast.TOWN),
            staff=tuple(_staff(bank, key) for key in bank.staff),
            case_link=case_link,
        )
        return page(request, view)

    install_problem_handlers(app, render_error)
    app.add_middleware(SecurityHeaders, https=False)
    app.add_middleware(RequestIds)
    return app


def _person(bank: DemoBank, one: cast.Townsperson) -> DemoPerson:
    return DemoPerson(
        name=one.name,
        handle=f"@{one.handle}",
        url=bank.network.profile(one),
        customer_number=one.customer_number,
        phone=one.phone,
        email=one.email,
    )


def _staff(bank: DemoBank, key: StaffKey) -> DemoStaff:
    now = bank.house.services.clock()
    return DemoStaff(
        name=key.colleague.login,
        display_name=key.colleague.name,
        role=key.colleague.role.value,
        password=key.password,
        code=totp.code_at(key.totp_secret, now),
        seconds_left=totp.STEP - int(now.timestamp()) % totp.STEP,
    )
