"""One town for a whole module of attacks: the served demonstration, two customers in two rooms of two agents.

Giulia (Anna's case) is who is attacked; Mallory (Luca's case) has a complaint, a case and a room of his own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.models import StaffAccount
from app.audit.models import Leaf
from app.binding.models import Binding
from app.cases.models import Case
from app.cases.queries import author_of
from app.conversations.models import Conversation
from app.conversations.queries import rooms_of_case
from app.database import Base, reading, transaction
from app.demo import cast
from app.demo.bank import DemoBank
from app.demo.cast import Colleague, Townsperson
from app.demo.playing.cookies import CookieJar
from app.demo.playing.holding import until
from app.demo.playing.http_client import Answer, Browser, Streaming, new_client, streaming
from app.demo.playing.people import Company, company
from app.demo.playing.staff_client import StaffClient
from app.demo.playing.walking import (
    begin,
    confirm,
    link_in_thread,
    name_account,
    prove_by_sms,
)
from app.demo.running import free_addresses, running_demo
from app.sessions import rules
from app.sessions import service as sessions
from app.sessions.dependencies import STAFF_COOKIE, VISITOR_COOKIE

# What an answer may leave, whoever is refused.
LOG = frozenset({"audit_checkpoints", "audit_leaves", "audit_pending", "audit_sequence", "audit_streams"})


GREETING = "Buongiorno {name}, ne parliamo in privato da qui:"


@dataclass(frozen=True)
class Complaint:
    """A person's case, its public link and its room."""

    case_id: UUID
    link: str
    room_id: UUID

    @property
    def slug(self) -> str:
        return self.link.rpartition("/")[2]

    @property
    def path(self) -> str:
        return f"/c/{self.slug}"


@dataclass(frozen=True)
class Who:
    """What a request shows of its sender."""

    visitor: str = ""
    staff: str = ""
    bearer: str = ""

    def headers(self) -> dict[str, str]:
        """A cookie makes the request a browser's own, from our own page."""
        cookies = [f"{VISITOR_COOKIE}={self.visitor}"] * bool(self.visitor)
        cookies += [f"{STAFF_COOKIE}={self.staff}"] * bool(self.staff)
        shown = {"cookie": "; ".join(cookies), "sec-fetch-site": "same-origin"} if cookies else {}
        return shown | ({"authorization": f"Bearer {self.bearer}"} if self.bearer else {})


NOBODY = Who()


@dataclass
class Wire:
    """Requests that no browser would send: any header, any cookie, any body."""

    bank: DemoBank
    client: httpx2.AsyncClient

    async def send(
        self,
        site: str,
        method: str,
        path: str,
        who: Who = NOBODY,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        document: Any = None,
        body: bytes | None = None,
    ) -> httpx2.Response:
        """One request; `headers` win over what `who` and the body bring along."""
        accept = "text/html" if form is not None or who.staff else "application/json"
        sent = {"accept": accept, "accept-language": "en"} | who.headers()
        if document is not None:
            body = json.dumps(document).encode()
            sent["content-type"] = "application/json"
        if form is not None:
            body = urlencode(form).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        url = self.bank.addresses.url(site) + path
        return await self.client.request(method, url, headers=sent | dict(headers or {}), content=body)

    def stream(self, site: str, path: str, who: Who) -> Streaming:
        """An event stream."""
        headers = who.headers() | {"accept": "text/event-stream"}
        return streaming(self.bank.addresses.url(site) + path, headers)


@dataclass
class Town:
    """Everybody, where they stand when the attacks begin."""

    bank: DemoBank
    people: Company
    wire: Wire
    giulia: Complaint
    mallory: Complaint
    desk: dict[str, StaffClient]
    staff_ids: dict[str, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services = self.bank.house.services

    def site(self, name: str) -> str:
        return self.bank.addresses.url(name)

    def token_of(self, browser: Browser) -> str:
        """The visitor's token that this browser holds."""
        return browser.jar.value("bank.localhost", VISITOR_COOKIE) or ""

    async def mint(self, colleague: Colleague, kind: str = rules.API, scopes: str = rules.EVERY_SCOPE) -> str:
        """A live token (`api`) or console session (`staff`) of a colleague, without waiting for the next code."""
        async with transaction(self.services) as db:
            now = self.services.clock()
            started = await sessions.start_staff(db, self.staff_ids[colleague.login], now, kind=kind, scopes=scopes)
        return started.token

    async def bystander(self) -> Browser:
        """A fresh browser on the same connections."""
        return Browser(self.wire.client)

    async def ask_for_step_up(self, agent: str, room_id: UUID) -> None:
        """The room's page offers to prove more once somebody has asked for it."""
        (await self.desk[agent].post(f"/conversations/{room_id}/step-up", {"level": 3})).expect(202)

    async def room_of_case(self, case_id: UUID) -> UUID:
        """The newest room of a case."""
        async with reading(self.services) as db:
            return (await rooms_of_case(db, [case_id]))[-1].id

    async def link_of_room(self, room_id: UUID) -> UUID:
        """The binding that a room belongs to."""
        async with reading(self.services) as db:
            return (await db.get_one(Conversation, room_id)).binding_id

    @asynccontextmanager
    async def unchanged(self, *but: str) -> AsyncIterator[None]:
        """Nothing inside adds or takes a row of any table, but for the log and those named.

        The worker rests meanwhile: what it sends and sweeps for others is not the caller's doing.
        """
        await self.bank.worker.stop()
        try:
            before = await self.count()
            yield
            after = await self.count()
        finally:
            self.bank.worker.start()
        assert {name for name in before if before[name] != after[name]} - LOG <= set(but)

    async def count(self) -> dict[str, int]:
        """How many rows each table has."""
        async with reading(self.services) as db:
            return {
                table.name: (await db.execute(select(func.count()).select_from(table))).scalar_one()
                for table in Base.metadata.sorted_tables
            }

    async def levels(self) -> list[tuple[str, int]]:
        """Every binding with its level."""
        async with reading(self.services) as db:
            return [
                (str(one.id), one.level) for one in (await db.execute(select(Binding).order_by(Binding.id))).scalars()
            ]

    async def reasons(self) -> list[str]:
        """Why attempts were refused, oldest first."""
        return [leaf["data"]["reason"] for leaf in await self.leaves("attempt.refused")]

    async def leaves(self, event: str) -> list[dict[str, Any]]:
        """All leaves of an event, oldest first."""
        async with reading(self.services) as db:
            rows = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no))).scalars()
            return [leaf for leaf in map(json.loads, rows) if leaf["t"] == event]


@asynccontextmanager
async def open_town(folder: Path, database_urls: tuple[str, str] = ("", "")) -> AsyncIterator[Town]:
    """Build it over HTTP, as the story goes: complaint, claim, reply, handle by sign-in, code by SMS, room."""
    async with (
        running_demo(folder, free_addresses(None), database_urls) as bank,
        company(bank, folder) as people,
        new_client() as client,
    ):
        clock = bank.house.services.clock
        desk = {one.login: StaffClient(bank.key_of(one), bank.addresses.url("staff"), client) for one in cast.STAFF}
        for one in desk.values():
            await one.sign_in(clock())
        giulia = await settle(people, desk["anna"], people.giulia, cast.GIULIA)
        mallory = await settle(people, desk["luca"], people.mallory, cast.MALLORY)
        town = Town(bank, people, Wire(bank, client), giulia, mallory, desk)
        async with reading(bank.house.services) as db:
            town.staff_ids = {one.login: one.id for one in (await db.execute(select(StaffAccount))).scalars()}
        yield town


async def settle(people: Company, agent: StaffClient, browser: Browser, person: Townsperson) -> Complaint:
    """From a complaint to its room at L2."""
    case_id = await case_of(people, person)
    link = await answer(people, agent, case_id, person)
    await people.scene.enter(browser, person)
    await enter_room(people, browser, link, person)
    rooms = await agent.get(f"/cases/{case_id}/conversations")
    return Complaint(case_id, link, UUID(rooms[0]["id"]))


async def case_of(people: Company, person: Townsperson) -> UUID:
    """The case of a person's complaint, waiting for it."""

    async def look() -> UUID | None:
        async with reading(people.bank.house.services) as db:
            return await _case_by_handle(db, person.handle)

    return await until(look, f"a case for @{person.handle}")


async def _case_by_handle(db: AsyncSession, handle: str) -> UUID | None:
    for case in (await db.execute(select(Case))).scalars():
        if (await author_of(db, case)).handle == handle:
            return case.id
    return None


async def answer(people: Company, agent: StaffClient, case_id: UUID, person: Townsperson) -> str:
    """Claim and answer in public; gives the link in the thread."""
    (await agent.post(f"/cases/{case_id}/claim")).expect(200)
    text = GREETING.format(name=person.first_name)
    (await agent.post(f"/cases/{case_id}/replies", {"text": text})).expect(202)

    async def look() -> bool:
        return any(one["state"] == "posted" for one in await agent.get(f"/cases/{case_id}/replies"))

    await until(look, "the reply in the thread")
    return await link_in_thread(people, people.passante, person)


async def prove_handle(people: Company, browser: Browser, link: str, person: Townsperson) -> Answer:
    """Through the sign-in; gives the page that asks who one is at the bank."""
    leaving = await name_account(browser, await begin(browser, link), f"@{person.handle}", "sign_in")
    back = await people.scene.approve(browser, leaving, person)
    done = await browser.go_on(back, f"{people.site('bank')}/signin/square/callback")
    return (await browser.go_on(done)).expect(200)


async def enter_room(people: Company, browser: Browser, link: str, person: Townsperson) -> Answer:
    """Handle by sign-in, customer by SMS, confirmation; gives the room."""
    page = await prove_handle(people, browser, link, person)
    return await confirm(browser, await prove_by_sms(people, browser, page, person))


def forget(browser: Browser) -> None:
    """A browser without any cookie."""
    browser.jar = CookieJar()
