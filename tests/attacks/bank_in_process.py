"""A whole installation behind its public door, without sockets: the network, phones and one identity provider outside
are stand-ins, its worker works when told to, and its clock is the test's.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import structlog
from fastapi import FastAPI

from app import key_files
from app.binding.identity_provider import OfferedProvider
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import Connector
from app.database import transaction
from app.directory.csv_file import CsvDirectory
from app.main import Installation, Parts, assemble, create_public_app
from app.notifications.senders import Senders
from app.outbound import OutboundClient
from app.permissions import Level
from app.settings import Settings
from app.worker import Worker
from tests.app.binding.bank import code_in
from tests.app.binding.doors import PUBLIC, link_of
from tests.app.binding.outside import ISSUER, STRONG, Clock, Kyc, Phone, SquareMessages, SquareSignIn
from tests.support.bare_door import BareBrowser, Seen
from tests.support.databases import DatabaseUrls
from tests.support.square import public_post

COLUMNS: Final = "customer_number,name,phone,email,language,city"
ROUNDS: Final = 200


def row(number: int) -> str:
    """One customer of the directory: C-1001 with his phone and mail, and so on."""
    return f"C-{number},Person {number},+39333{number:07d},person{number}@posta.example,it,Torino"


@dataclass
class BankInProcess:
    """The installation, and what the people in its tests do."""

    house: Installation
    app: FastAPI
    clock: Clock
    phone: Phone
    messages: SquareMessages
    worker: Worker
    slugs: dict[str, tuple[str, UUID]] = field(default_factory=dict)

    async def complaint(self, name: str) -> str:
        """A public post of this person; gives the slug of its case, the same one each time."""
        if name not in self.slugs:
            services = self.house.services
            post = public_post(name, "Un bollo addebitato due volte?", at=services.clock(), external_id=str(uuid4()))
            keys = {await handle_hash(services, post.author): await services.vault.create_key("case")}
            async with transaction(services) as db:
                arrival = await receive_post(db, self.house.parts.connectors[0], post, keys, CaseClocks())
                assert arrival is not None
                self.slugs[name] = (await db.get_one(Case, arrival.case_id)).slug, arrival.case_id
        return self.slugs[name][0]

    async def work(self) -> None:
        """Work off the outbox, as the worker does."""
        for _ in range(ROUNDS):
            if not await self.worker.outbox_round():
                return
            await self.worker.idle()
        raise AssertionError("the outbox never empties")

    def browser(self, address: str = "203.0.113.7") -> BareBrowser:
        return BareBrowser(self.app, PUBLIC, address)

    async def with_handle(self, name: str, browser: BareBrowser) -> str:
        """From the case link through the sign-in at the network; gives the link's path."""
        path = f"/c/{await self.complaint(name)}"
        assert (await browser.post(f"{path}/start")).status == 303
        form = {"connector": "square", "account": f"@{name}", "method": "sign_in"}
        back = await browser.get(callback("/signin/square/callback", await browser.post(f"{path}/handle", form), name))
        assert back.header("location") == f"{path}/customer", back.text
        return path

    async def ask_code(self, browser: BareBrowser, path: str, identifier: str, method: str = "sms") -> Seen:
        return await browser.post(f"{path}/customer", {"method": method, "identifier": identifier})

    def last_code(self) -> str:
        return code_in(self.phone.sms[-1][1])

    async def by_sms(self, name: str, identifier: str, browser: BareBrowser) -> Seen:
        """The whole way in by a code; gives the room's page."""
        path, before = await self.with_handle(name, browser), len(self.phone.sms)
        assert (await self.ask_code(browser, path, identifier)).status == 303
        await self.work()
        assert len(self.phone.sms) == before + 1, "no code came"
        typed = await browser.post(f"{path}/customer/code", {"code": self.last_code()})
        assert typed.header("location") == f"{path}/confirm", typed.text
        return await self.confirmed(browser, path)

    async def by_identity(self, name: str, number: str, browser: BareBrowser) -> Seen:
        """The whole way in by the identity provider; gives the room's page."""
        path = await self.with_handle(name, browser)
        left = await browser.post(f"{path}/customer", {"method": "identity:kyc"})
        back = await browser.get(callback("/identity/kyc/callback", left, f"{number} {STRONG}", prefix=""))
        assert back.header("location") == f"{path}/confirm", back.text
        return await self.confirmed(browser, path)

    async def confirmed(self, browser: BareBrowser, path: str) -> Seen:
        entered = await browser.post(f"{path}/confirm", {"accept": "yes"})
        assert entered.header("location") == "/room", entered.text
        await self.work()
        return await browser.get("/room")


def callback(path: str, left: Seen, code: str, prefix: str = "code-of-") -> str:
    """Where a provider sends the browser back to, from the page with the link to it."""
    state = parse_qs(urlsplit(link_of(left)).query)["state"][0]
    return f"{path}?{urlencode({'state': state, 'code': prefix + code, 'iss': ISSUER})}"


@asynccontextmanager
async def open_bank_in_process(
    urls: DatabaseUrls, folder: Path, customers: Sequence[int], clock: Clock
) -> AsyncIterator[BankInProcess]:
    """A new installation on tables that are there already, until the block ends."""
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
    (folder / "customers.csv").write_text("\n".join([COLUMNS, *map(row, customers)]) + "\n", "utf-8")
    phone, messages = Phone(), SquareMessages()
    square = Connector(
        name="square",
        network="square",
        scope=ISSUER,
        label="Square",
        official_handle="bancaesempio",
        official_url=f"{ISSUER}/@bancaesempio",
        sign_in=SquareSignIn(),
        direct_messages=messages,
    )
    kyc = OfferedProvider("kyc", "KYC Example", Kyc(), {STRONG: Level.L3})
    parts = Parts([square], [kyc], Senders(phone, phone), CsvDirectory(folder / "customers.csv"))
    # Its lines would be most of the time; `logging_stays_here` undoes this.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    house = await assemble(settings, outbound=OutboundClient(), parts=parts, clock=clock)
    try:
        yield BankInProcess(house, create_public_app(house), clock, phone, messages, Worker(house))
    finally:
        await house.close()
