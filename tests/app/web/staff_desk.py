"""The staff door of a whole bank, and the browsers of the colleagues who work at it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select

from app import key_files
from app.actors import SYSTEM, Role
from app.agents.service import NewStaff, add
from app.audit.sequencer import sequence, start_log
from app.audit.signer import Signer
from app.binding.confirming import Bound
from app.binding.facts import facts_of_case
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import ArrivedPost, PostRef, PublishedReply, TextTooLong
from app.compliance.building import BUILD_EXPORT, build_export
from app.compliance.ports import CompliancePorts
from app.conversations.committing import lane_of
from app.database import reading, transaction
from app.handover.ports import HandoverPorts
from app.main import Installation, Parts, create_staff_app, page_settings
from app.notifications.service import claim
from app.settings import Settings
from app.staff_parts import staffing_from
from app.token_parts import staff_tokens
from security import totp
from security.passwords import hash_password
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_sms, open_bank
from tests.support.databases import DatabaseUrls

DESK = "https://staff.bancaesempio.example"
PUBLIC = "https://chat.bancaesempio.example"
PASSWORD = "a-long-enough-password"
GOOD = "Ciao Giulia, ci dispiace. Ne parliamo subito in privato."
LEAK = "Ciao Giulia, il tuo IBAN IT60X0542811101000000123456 risulta addebitato due volte."
STORNO = "Lo storno arriva sul conto IT60X0542811101000000123456."


class Publisher:
    def fit(self, text: str, link: str) -> str:
        whole = f"{text}\n{link}"
        if len(whole) > 500:
            raise TextTooLong(len(text), 500 - len(link) - 1)
        return whole

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        raise AssertionError("nothing is posted while a page is served")

    async def find_own_reply(self, post: PostRef, marker: str) -> PublishedReply | None:
        return None

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        return []


@dataclass
class Window:
    """One person's browser at the staff door."""

    client: httpx2.AsyncClient

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return unescape(answer.text)

    async def send(self, path: str, status: int = 303, **fields: str) -> httpx2.Response:
        answer = await self.client.post(path, data=fields)
        assert answer.status_code == status, answer.text
        return answer

    async def refused(self, path: str, status: int, **fields: str) -> str:
        return unescape((await self.send(path, status, **fields)).text)


@dataclass
class Desk:
    bank: Bank
    house: Installation
    app: Any
    secrets: dict[str, Secret] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    windows: list[httpx2.AsyncClient] = field(default_factory=list)

    async def hire(self, login: str, role: Role) -> None:
        async with transaction(self.bank.services) as db:
            new = NewStaff(login, login.capitalize(), login.capitalize(), role)
            account, secret = await add(db, SYSTEM, new, PASSWORD)
            self.secrets[login], self.ids[login] = secret, account.id

    def browser(self) -> Window:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url=DESK,
            headers={"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"},
        )
        self.windows.append(client)
        return Window(client)

    def code(self, login: str) -> str:
        return totp.code_at(self.secrets[login], self.bank.clock())

    async def signed_in(self, login: str) -> Window:
        window = self.browser()
        await window.send("/signin", name=login, password=PASSWORD, code=self.code(login))
        return window

    async def case(self, slug: str) -> Case:
        async with reading(self.bank.services) as db:
            return (await db.execute(select(Case).where(Case.slug == slug))).scalar_one()

    async def build_export(self) -> None:
        """What the worker does meanwhile: places leaves, signs, builds."""
        services = self.bank.services
        work = next(one for one in await claim(services) if one.topic == BUILD_EXPORT)
        building = asyncio.create_task(build_export(services, self.house.compliance, work))
        for _ in range(500):
            if building.done():
                break
            await sequence(services)
            await self.house.signer.sign(services)
            await asyncio.sleep(0.02)
        await building
        await sequence(services)
        await self.house.signer.sign(services)

    async def events(self, event: str) -> list[dict[str, Any]]:
        return await self.bank.leaves(event)


@asynccontextmanager
async def opened_desk(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Desk]:
    async with open_bank(urls, folder) as bank:
        services = bank.services
        connector = replace(bank.ports.connectors[0], publisher=Publisher())
        bank.ports = replace(bank.ports, connectors=(connector,))
        services.lane = lane_of(services)
        services.lane.start()
        for name, label in (("log", "bank.example/log"), ("export", "bank.example/log/export")):
            key_files.make_signing_key_file(folder / name, label)
        log_key, export_key = (key_files.read_signing_key(folder / name) for name in ("log", "export"))
        await start_log(services, "bank.example/log")
        settings = Settings(
            data=folder,
            bank="Banca Esempio",
            origin="bank.example/log",
            public_url=PUBLIC,
            staff_url=DESK,
            phone="+39 02 1234 5678",
            hours_it="8-20",
            hours_en="8-20",
            privacy_contact="privacy@bancaesempio.example",
        )
        parts = Parts((connector,), bank.ports.providers, bank.ports.senders, bank.ports.directory)
        house = Installation(
            settings=settings,
            services=services,
            parts=parts,
            signer=Signer(log_key, folder / "memory"),
            handover=HandoverPorts((connector,), PUBLIC, settings.bank, settings.phone, facts_of_case),
            binding=bank.ports,
            compliance=CompliancePorts(folder, export_key, log_key.vkey()),
            tokens=staff_tokens(settings, services.outbound),
            staffing=staffing_from(settings, services.outbound),
            pages=page_settings(settings, parts),
            clocks=CaseClocks(),
        )
        desk = Desk(bank, house, create_staff_app(house))
        for login, role in (
            ("anna", Role.AGENT),
            ("luca", Role.AGENT),
            ("sara", Role.SUPERVISOR),
            ("paolo", Role.COMPLIANCE),
            ("ada", Role.ADMINISTRATOR),
        ):
            await desk.hire(login, role)
        try:
            yield desk
        finally:
            services.wakeups.stopping.set()
            for window in desk.windows:
                await window.aclose()
            await services.lane.stop()


hash_once = cache(hash_password)


async def claimed(desk: Desk, login: str = "anna") -> tuple[Window, Case]:
    """Giulia's complaint in the hands of an agent, before there is a room."""
    case = await desk.case(await desk.bank.complaint())
    window = await desk.signed_in(login)
    await window.send(f"/cases/{case.id}/claim")
    return window, case


async def in_room(desk: Desk, login: str = "anna") -> tuple[Window, Case, Bound]:
    """The same, with Giulia in her room at L2."""
    window, case = await claimed(desk, login)
    bound = await bound_by_sms(desk.bank, slug=case.slug)
    return window, case, bound


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, name
    return found.group(1)
