"""In a real browser: out to a wallet on the same device, back into the room at level 4; another browser gets nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from playwright.async_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.binding.identity_provider import OfferedProvider
from app.binding.wallet import WalletProvider
from app.demo import cast
from app.demo.bank import DemoBank
from app.directory.port import IdentifierKind
from app.permissions import Level
from security.jwts import SigningKey
from security.sd_jwt import TrustedIssuer
from tests.journeys.people import Customer, Open, slug_of
from tests.support.certificates import Authority, root
from tests.support.serving import serving
from tests.support.wallet import NUMBER, VCT, PidIssuer, WalletApp

FISCAL = "FRRGLI80A41L219X"


class Loopback(httpx2.AsyncBaseTransport):
    """Every `*.localhost` is this machine, as in the browser."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(host="127.0.0.1")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass
class Phone:
    """A wallet with a page of its own, for browsers without apps; `last` is what the browser was told to open."""

    issuer: PidIssuer
    access: Authority
    last: str = ""

    def site(self) -> Starlette:
        return Starlette(routes=[Route("/open", self.ask), Route("/open", self.answer, methods=["POST"])])

    async def ask(self, request: Request) -> Response:
        """What the wallet shows before it answers."""
        async with self._web() as web:
            asked = await self._wallet(web).read(str(request.url))
        wanted = asked["dcql_query"]["credentials"][0]["claims"][0]["path"][0]
        page = f'<!doctype html><link rel="icon" href="data:,"><title>Wallet</title><p>{asked["client_id"]}: {wanted}<form method="post"><button>Yes'
        return HTMLResponse(page)

    async def answer(self, request: Request) -> Response:
        async with self._web() as web:
            self.last = await self._wallet(web).answer(str(request.url))
        return RedirectResponse(self.last, 303)

    def _web(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=Loopback())

    def _wallet(self, web: httpx2.AsyncClient) -> WalletApp:
        now = datetime.now(UTC)
        wallet = WalletApp([self.access], now, web)
        wallet.credential = self.issuer.issue(wallet.key, now, f"TINIT-{FISCAL}")
        return wallet


@pytest.fixture
async def phone(demo: DemoBank) -> AsyncIterator[Phone]:
    """The running bank accepts wallets, and knows Giulia's fiscal code."""
    now, key, settings = datetime.now(UTC), SigningKey.new(), demo.house.settings
    made = Phone(PidIssuer(now), root(now, "access"))
    public = ECKey.import_key(key.bare_jwk()).public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    customers = settings.data / "customers.csv"
    head, *rows = customers.read_text("utf-8").splitlines()
    coded = [f"{row},{FISCAL if cast.GIULIA.customer_number in row else ''}" for row in rows]
    customers.write_text("\n".join([f"{head},fiscal_code", *coded]) + "\n", "utf-8")
    async with serving(made.site()) as port:
        provider = WalletProvider(
            name="wallet",
            url=f"http://wallet.localhost:{port}/open",
            public_url=settings.public_url,
            client_id="x509_san_dns:bank.localhost",
            key=key,
            chain=[made.access.certify(public, now, names=["bank.localhost"])],
            issuers={made.issuer.url: TrustedIssuer(made.issuer.url, roots=(made.issuer.authority.certificate,))},
            vct=VCT,
            claim=NUMBER,
            kind=IdentifierKind.FISCAL_CODE,
        )
        offered = OfferedProvider("wallet", "IT-Wallet", provider, {VCT: Level.L4})
        ports = demo.house.binding
        # the doors of the running bank share this one object
        object.__setattr__(ports, "providers", (*ports.providers, offered))
        yield made


async def test_a_wallet_on_the_same_device_opens_the_room_and_another_browser_gets_nothing(
    demo: DemoBank, phone: Phone, open_visit: Open
) -> None:
    slug = await slug_of(demo, cast.GIULIA.handle)
    giulia = Customer(demo, await open_visit(width=360, locale="it-IT"), javascript=True)
    await giulia.begin(slug)
    await giulia.sign_in_at_square(slug, "@giulia", cast.GIULIA.square_id)
    await giulia.look("customer")
    await giulia.press("button[name=method][value='identity:wallet']")
    await giulia.look("leaving for the wallet")
    await giulia.press("main a.button[href^='http']")
    await expect(giulia.page.locator("p")).to_contain_text(f"x509_san_dns:bank.localhost: {NUMBER}")
    await giulia.press("form button")
    await expect(giulia.page).to_have_url(re.compile(f"/c/{slug}/confirm$"))
    await giulia.look("confirm")

    stranger = Customer(demo, await open_visit(width=360, locale="it-IT"), javascript=True)
    await stranger.page.goto(phone.last)
    stranger.refused_with(403)
    await stranger.look("refused elsewhere")
    await expect(stranger.page.locator("h1")).to_contain_text("non può concludersi qui")
    assert FISCAL not in await stranger.page.content()

    await giulia.page.locator("input[name=accept]").check()
    await giulia.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
    await expect(giulia.page).to_have_url(re.compile("/room$"))
    await giulia.look("room at level 4")
    assert giulia.visit.problems == []
