"""The console of a house with the bank's own sign-in, at a real provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx2
from fastapi import FastAPI

from app.actors import SYSTEM, Role
from app.agents.dependencies import install_staff_refusals
from app.agents.models import StaffAccount
from app.agents.ports import LocalSignIn
from app.agents.routes import router as agent_routes
from app.compliance.routes import router as compliance_routes
from app.http.problems import install_problem_handlers
from app.provisioning import queries, service
from app.provisioning.rules import Person, ProvisioningPorts
from app.sign_on.rules import SignOnPorts
from app.web.cross_origin import CrossSiteWrites
from app.web.error_pages import error_words, render_error
from app.web.headers import SecurityHeaders
from app.web.pages import PageSettings
from app.web.staff_pages import router as staff_pages
from app.web.statics import router as static_routes
from tests.support.house import Clock, House
from tests.support.openid import OpenIdTown
from tests.support.openid import Person as Somebody
from tests.support.serving import serving

URL: Final = "https://staff.bancaesempio.example"
STRONG: Final = "urn:bank:strong"
WEAK: Final = "urn:bank:password"
ROLES: Final = {"Desk": Role.AGENT, "Audit": Role.COMPLIANCE}
TELL: Final = "compliance@bank.example"


class Running(Clock):
    """The machine's time, which is the provider's too, and what has passed beside it."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_by(self, **amount: float) -> None:
        self.ahead += timedelta(**amount)


@dataclass
class Desk:
    """The staff door, and the provider behind it."""

    house: House
    app: FastAPI
    openid: OpenIdTown
    ports: SignOnPorts
    url: str = URL

    def settle(self, **changes: Any) -> None:
        """Other settings from now on."""
        self.ports = replace(self.ports, **changes)
        self.app.state.sign_on_ports = self.ports

    def browser(self) -> httpx2.AsyncClient:
        """Somebody's browser, with cookies of its own."""
        transport = httpx2.ASGITransport(self.app)
        return httpx2.AsyncClient(transport=transport, base_url=URL, headers={"accept": "text/html"})

    async def hire(self, name: str, role: Role = Role.AGENT) -> UUID:
        """An account that waits for its holder's first sign-in."""
        ports = ProvisioningPorts("", default_role=role)
        account, _ = await self.house.act(lambda db: service.create(db, SYSTEM, ports, Person(name)))
        return account.id

    async def fire(self, account_id: UUID) -> None:
        """A leaver."""

        async def leave(db: Any) -> None:
            found = await queries.locked(db, account_id)
            person = Person(found[0].login, display_name=found[0].display_name, active=False)
            await service.change(db, SYSTEM, ProvisioningPorts(""), found, person)

        await self.house.act(leave)

    async def account(self, account_id: UUID) -> StaffAccount:
        """As it is stored."""
        found: StaffAccount = await self.house.one(StaffAccount, account_id)
        return found

    async def leave(self, browser: httpx2.AsyncClient, path: str = "/signin/provider") -> str:
        """Where the page sends the browser."""
        answer = await browser.post(path)
        assert answer.status_code == 200, answer.text
        return answer.headers["refresh"].removeprefix("0; url=")

    async def come_back(self, browser: httpx2.AsyncClient, returned: dict[str, str]) -> httpx2.Response:
        """The callback."""
        return await browser.get("/signin/return", params=returned)

    async def sign_in(
        self, browser: httpx2.AsyncClient, who: str, *, acr: str = STRONG, path: str = "/signin/provider", **how: Any
    ) -> httpx2.Response:
        """There and back."""
        returned = await Somebody(who, acr=acr, **how).sign_in(await self.leave(browser, path))
        return await self.come_back(browser, returned)

    async def is_in(self, browser: httpx2.AsyncClient) -> bool:
        """Whether the console opens."""
        answer = await browser.get("/", follow_redirects=False)
        return answer.headers.get("location") != "/signin"

    async def reasons(self) -> list[str]:
        """Why somebody was refused."""
        return [leaf["data"]["reason"] for leaf in await self.house.leaves("staff.refused")]


@asynccontextmanager
async def open_desk(house: House, openid: OpenIdTown, *, in_a_browser: bool = False) -> AsyncIterator[Desk]:
    """The door, served too: the provider's word of an end comes over a real connection, and so does a real browser."""
    house.clock = house.services.clock = Running()
    app = FastAPI()
    app.state.services, app.state.public_url, app.state.staff_door = house.services, URL, True
    app.state.page_settings = _page_settings()
    app.state.local_sign_in = LocalSignIn(sealed=True, tell=TELL)
    for router in (agent_routes, compliance_routes, staff_pages):
        app.include_router(router)
    install_staff_refusals(app, install_problem_handlers(app, render_error, error_words))
    if in_a_browser:
        app.include_router(static_routes)
        app.add_middleware(CrossSiteWrites, origins=[URL])
    app.add_middleware(SecurityHeaders, https=not in_a_browser)
    async with serving(app) as port:
        url = f"http://staff.localhost:{port}" if in_a_browser else URL
        client = await openid.client(
            "desk",
            f"{url}/signin/return",
            backchannel_logout_uri=f"http://127.0.0.1:{port}/signin/backchannel-logout",
            backchannel_logout_session_required=True,
            require_auth_time=True,
        )
        ports = SignOnPorts(
            label="Banca Esempio ID",
            client=client,
            redirect_uri=f"{url}/signin/return",
            roles=ROLES,
            acrs=(WEAK, STRONG),
            sensitive_acrs=(STRONG,),
            sensitive_for=timedelta(minutes=15),
        )
        desk = Desk(house, app, openid, ports, url)
        desk.settle()
        yield desk


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query))


def _page_settings() -> PageSettings:
    return PageSettings(
        bank="Banca Esempio",
        host="staff.bancaesempio.example",
        phone="800 000 000",
        hours={"it": "lun-ven", "en": "Mon-Fri"},
        privacy_contact="privacy@bank.example",
        timezone="Europe/Rome",
        demo=False,
        demo_start="",
        connectors=(),
    )
