"""A whole installation behind its real public door, with real OpenID Providers, and people with browsers before it.

Only the social network is a stand-in: it signs in whoever the code names.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx2
from sqlalchemy import select

from app import key_files
from app.audit.models import Leaf
from app.binding.identity_provider import OfferedProvider
from app.binding.models import Binding
from app.binding.openid_provider import OpenIdProvider
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import Connector
from app.database import reading, transaction
from app.directory.csv_file import CsvDirectory
from app.directory.port import IdentifierKind
from app.main import Installation, Parts, assemble, create_public_app
from app.notifications.senders import Senders
from app.outbound import OutboundClient
from app.permissions import Level
from app.settings import Settings
from tests.app.binding.outside import ISSUER, STRONG, Kyc, Phone, SquareSignIn
from tests.support.databases import DatabaseUrls
from tests.support.openid import BANK_LOGIN, FISCAL, SPID, OpenIdTown
from tests.support.openid import Person as AtTheProvider
from tests.support.square import public_post

PUBLIC: Final = "https://chat.bancaesempio.example"
CUSTOMERS: Final = """\
customer_number,name,phone,email,language,city,fiscal_code,subject
C-1001,Giulia Ferraro,+393331234567,giulia@posta.example,it,Torino,FRRGLI80A41L219X,banklogin:giulia social:giulia
C-1002,Marco Bianchi,+393337654321,marco@posta.example,it,Milano,BNCMRC85M01F205S,banklogin:marco
"""
SPID_LEVELS: Final = {f"{SPID}L2": Level.L3, f"{SPID}L3": Level.L4}


@dataclass
class Doors:
    """The installation and its public door."""

    house: Installation
    transport: httpx2.ASGITransport

    async def complaint(self, name: str = "giulia") -> str:
        """A public post; gives the slug of its case."""
        services = self.house.services
        post = public_post(name, "Un bollo addebitato due volte?", at=services.clock(), external_id=str(uuid4()))
        keys = {await handle_hash(services, post.author): await services.vault.create_key("case")}
        async with transaction(services) as db:
            arrival = await receive_post(db, self.house.parts.connectors[0], post, keys, CaseClocks())
            assert arrival is not None
            return (await db.get_one(Case, arrival.case_id)).slug

    async def leaves(self, event: str) -> list[dict[str, Any]]:
        """The data of every leaf of one event, in order."""
        async with reading(self.house.services) as db:
            rows = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no))).scalars()
            return [leaf["data"] for leaf in map(json.loads, rows) if leaf["t"] == event]

    async def reasons(self) -> list[str]:
        """Why attempts were refused, in order."""
        return [data["reason"] for data in await self.leaves("attempt.refused")]

    async def levels(self) -> list[int]:
        """The level of each binding."""
        async with reading(self.house.services) as db:
            return [one.level for one in (await db.execute(select(Binding).order_by(Binding.id))).scalars()]

    def browser(self, slug: str) -> Surfer:
        """A fresh browser at a case link."""
        client = httpx2.AsyncClient(transport=self.transport, base_url=PUBLIC, headers={"origin": PUBLIC})
        return Surfer(self, slug, client)


@dataclass
class Surfer:
    """One browser."""

    doors: Doors
    slug: str
    http: httpx2.AsyncClient
    seen: list[str] = field(default_factory=list)

    async def get(self, path: str) -> httpx2.Response:
        return await self.http.get(path)

    async def post(self, path: str, **form: str) -> httpx2.Response:
        return await self.http.post(path, data=form)

    async def at_the_customer_step(self, account: str = "giulia") -> Surfer:
        """Through the case link and the sign-in at the network."""
        assert (await self.post(f"/c/{self.slug}/start")).status_code == 303
        left = await self.post(f"/c/{self.slug}/handle", connector="square", account=f"@{account}", method="sign_in")
        state = parse_qs(urlsplit(link_of(left)).query)["state"][0]
        query = urlencode({"state": state, "code": f"code-of-{account}", "iss": ISSUER})
        back = await self.get(f"/signin/square/callback?{query}")
        assert back.headers["location"] == f"/c/{self.slug}/customer", back.text
        return self

    async def leave_for(self, provider: str) -> str:
        """The provider's address, from the page with the link."""
        return link_of(await self.post(f"/c/{self.slug}/customer", method=f"identity:{provider}"))

    async def come_back(self, provider: str, returned: dict[str, str]) -> httpx2.Response:
        """The callback, as the provider sends the browser."""
        return await self.get(f"/identity/{provider}/callback?{urlencode(returned)}")

    async def prove(self, provider: str, who: AtTheProvider) -> httpx2.Response:
        """There and back."""
        return await self.come_back(provider, await who.sign_in(await self.leave_for(provider)))

    async def step_up(self, provider: str, who: AtTheProvider) -> httpx2.Response:
        """From inside the room, there and back."""
        left = await self.post("/room/step-up", method=f"identity:{provider}")
        return await self.come_back(provider, await who.sign_in(link_of(left)))

    async def confirm(self) -> httpx2.Response:
        """Into the room."""
        return await self.post(f"/c/{self.slug}/confirm", accept="yes")


class Page(Protocol):
    """What came back, as far as it is read."""

    @property
    def text(self) -> str: ...


def link_of(answer: Page) -> str:
    """Where the page's one big button leads."""
    found = re.search(r'<a class="button wide" href="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


async def providers(openid: OpenIdTown) -> list[OfferedProvider]:
    """The three providers as a bank would set them up."""

    def back(name: str) -> str:
        return f"{PUBLIC}/identity/{name}/callback"

    spid = OpenIdProvider(
        "spid",
        await openid.client("spid", back("spid"), dpop_bound_access_tokens=True, userinfo_signed_response_alg="ES256"),
        SPID_LEVELS,
        claim=FISCAL,
        kind=IdentifierKind.FISCAL_CODE,
        from_userinfo=True,
        tells_when=False,
    )
    levels = {BANK_LOGIN: Level.L3}
    login = OpenIdProvider("banklogin", await openid.client("banklogin", back("banklogin")), levels)
    social = OpenIdProvider("social", await openid.client("social", back("social"), by_key=False), {})
    shown = {"spid": ("SPID", SPID_LEVELS), "banklogin": ("Online banking", levels), "social": ("Square ID", {})}
    return [
        OfferedProvider(
            one.name,
            shown[one.name][0],
            one,
            shown[one.name][1],
            look=one.look,
            public_key=one.client.key.public_jwk() if one.client.key else None,
        )
        for one in (spid, login, social)
    ]


@asynccontextmanager
async def open_doors(
    urls: DatabaseUrls, folder: Path, openid: OpenIdTown | None, connectors: Sequence[Connector] = ()
) -> AsyncIterator[Doors]:
    """A new installation on tables that are there already, until the block ends; `connectors` beside the Square.

    Without `openid` a KYC service that believes everything identifies customers.
    """
    settings = Settings(
        data=folder,
        bank="Banca Esempio",
        origin="bancaesempio.example/log",
        public_url=PUBLIC,
        staff_url="https://desk.bancaesempio.example",
        database_url=urls.main,
        key_database_url=urls.keys,
        phone="800 000 000",
        hours_it="sempre",
        hours_en="always",
        privacy_contact="privacy@bancaesempio.example",
    )
    settings.keys.mkdir(mode=0o700)
    key_files.make_kek_file(settings.keys / key_files.KEK_FILE)
    key_files.make_signing_key_file(settings.keys / key_files.LOG_KEY_FILE, settings.origin)
    key_files.make_signing_key_file(settings.keys / key_files.EXPORT_KEY_FILE, f"{settings.origin}/export")
    (folder / "customers.csv").write_text(CUSTOMERS, "utf-8")
    square = Connector(
        name="square",
        network="square",
        scope=ISSUER,
        label="Square",
        official_handle="bancaesempio",
        official_url=f"{ISSUER}/@bancaesempio",
        sign_in=SquareSignIn(),
    )
    kyc = OfferedProvider("kyc", "KYC Example", Kyc(), {STRONG: Level.L3})
    offered = await providers(openid) if openid else [kyc]
    directory = CsvDirectory(folder / "customers.csv")
    parts = Parts([square, *connectors], offered, Senders(Phone(), Phone()), directory)
    house = await assemble(settings, outbound=openid.outbound() if openid else OutboundClient(), parts=parts)
    try:
        yield Doors(house, httpx2.ASGITransport(create_public_app(house)))
    finally:
        await house.close()
