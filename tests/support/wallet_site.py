"""A wallet with a page of its own, for browsers without apps, and the demonstration's bank told to accept it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.binding.identity_provider import OfferedProvider
from app.binding.wallet import WalletProvider
from app.demo import cast
from app.demo.bank import DemoBank
from app.demo.playing.http_client import LoopbackTransport
from app.directory.port import IdentifierKind
from app.permissions import Level
from security.jwts import SigningKey
from security.sd_jwt import TrustedIssuer
from tests.support.certificates import Authority, root
from tests.support.serving import serving
from tests.support.wallet import NUMBER, VCT, PidIssuer, WalletApp

WALLET: Final = "wallet"


@dataclass
class WalletSite:
    """The wallet of the person with this fiscal code; `last` is what the browser was told to open."""

    issuer: PidIssuer
    access: Authority
    number: str = cast.GIULIA.fiscal_code
    last: str = ""
    url: str = field(default="", init=False)

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
        # every `*.localhost` is this machine, as in the browser; a bank that is busy is asked again
        return httpx2.AsyncClient(transport=LoopbackTransport())

    def _wallet(self, web: httpx2.AsyncClient) -> WalletApp:
        now = datetime.now(UTC)
        wallet = WalletApp([self.access], now, web)
        wallet.credential = self.issuer.issue(wallet.key, now, f"TINIT-{self.number}")
        return wallet


@asynccontextmanager
async def open_wallet(demo: DemoBank) -> AsyncIterator[WalletSite]:
    """Serve the wallet until the block ends; the running bank offers it last."""
    now, key, settings = datetime.now(UTC), SigningKey.new(), demo.house.settings
    made = WalletSite(PidIssuer(now), root(now, "access"))
    public = ECKey.import_key({**key.bare_jwk()}).public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    async with serving(made.site()) as port:
        made.url = f"http://wallet.localhost:{port}"
        provider = WalletProvider(
            name=WALLET,
            url=f"{made.url}/open",
            public_url=settings.public_url,
            client_id="x509_san_dns:bank.localhost",
            key=key,
            chain=[made.access.certify(public, now, names=["bank.localhost"])],
            issuers={made.issuer.url: TrustedIssuer(made.issuer.url, roots=(made.issuer.authority.certificate,))},
            vct=VCT,
            claim=NUMBER,
            kind=IdentifierKind.FISCAL_CODE,
        )
        offer(demo, OfferedProvider(WALLET, "IT-Wallet", provider, {VCT: Level.L4}))
        yield made


def offer(demo: DemoBank, *more: OfferedProvider) -> None:
    """The doors of the running bank share one object: what they offer from now on."""
    ports = demo.house.binding
    object.__setattr__(ports, "providers", (*ports.providers, *more))
