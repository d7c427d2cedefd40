"""Where the machine plays: one whole bank on SQLite, its network, the phones of its customers, and time.

The network does what a real one does for a browser: it binds a code to the request that it answers (PKCE), gives it to
whoever approved in that browser, and takes it once. Nothing here knows who is honest.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx2
from sqlalchemy import select

from app.actors import Staff
from app.binding import code_delivery, notices
from app.binding.pairs import customer_hash
from app.binding.ports import BindingPorts
from app.binding.wallet import REQUEST_TYP
from app.binding.wallet_answers import keep_answer, request_for_wallet
from app.cases.arriving import handle_hash
from app.channels.ports import Departure, SignInAnswer, SignInFailed, SignInWish, Subject
from app.database import reading, transaction
from app.directory.port import CustomerRecord
from app.notifications.senders import Senders
from app.notifications.service import Work, claim, finish
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from security.tokens import new_token
from tests.app.binding.outside import GIULIA, MARCO, Directory, Phone, SquareMessages
from tests.app.binding.wallets import GIULIAS, MARCOS
from tests.machine.providers import Callback, Login, Papers, Request, challenge_of, make_papers
from tests.support.house import START, Blueprint, House, blueprint, open_house
from tests.support.square import ISSUER
from tests.support.wallet import WalletApp

NETWORK_OF_VISITORS: Final = "203.0.113.0/24"
CODE: Final = re.compile(r"(?<!\d)\d{8}(?!\d)")
REFERENCE: Final = re.compile(r"\b\w{4}-\w{4}-\w{4}\b")


@dataclass(frozen=True)
class Person:
    """Somebody with an account at the network and a contract at the bank."""

    name: str
    customer: CustomerRecord
    fiscal_code: str

    @property
    def account(self) -> str:
        """The immutable id at the network, whatever the account is called today."""
        return f"id-of-{self.name}"


VICTIM: Final = Person("giulia", GIULIA, GIULIAS)
ATTACKER: Final = Person("marco", MARCO, MARCOS)


@dataclass
class Square:
    """The network's sign-in; `names` is what each account is called today."""

    names: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def subject(self, account: str) -> Subject:
        name = self.names[account]
        return Subject("square", ISSUER, account, name, name.capitalize())

    async def begin(self, _services: Services, wish: SignInWish) -> Departure:
        self.asked[wish.state] = wish.code_challenge
        return Departure(f"{ISSUER}/oauth/authorize?state={wish.state}", wish.return_address)

    def is_issuer(self, _memo: Mapping[str, str], issuer: str | None) -> bool:
        return issuer == ISSUER

    def approve(self, request: Request, account: str) -> Callback:
        code, state = new_token(), request.part("state")
        self.codes[code] = account, self.asked[state]
        return Callback("square", state, code, ISSUER)

    async def finish(self, _services: Services, answer: SignInAnswer) -> Subject:
        account, challenge = self.codes.pop(answer.code, ("", ""))
        if not account or challenge_of(answer.code_verifier) != challenge:
            raise SignInFailed("invalid_grant")
        return self.subject(account)


@dataclass
class Telephones(Phone):
    """Texts and mails in the order of their coming; `thief_since` once the victim's number rings elsewhere."""

    clock: Callable[[], datetime] = lambda: START
    came: list[tuple[str, str, datetime]] = field(default_factory=list)
    thief_since: datetime | None = None

    async def send_sms(self, to: str, text: str) -> None:
        self.came.append((to, text, self.clock()))

    async def send_mail(self, to: str, _subject: str, text: str) -> None:
        self.came.append((to, text, self.clock()))

    def texts(self, *places: str | None, by_thief: bool = False) -> list[str]:
        """What came to these numbers and addresses, as their owner, or the thief of her number, has it on a screen."""
        return [text for to, text, at in self.came if to in places and self._is_stolen(to, at) == by_thief]

    def _is_stolen(self, to: str, at: datetime) -> bool:
        return to == VICTIM.customer.phone and self.thief_since is not None and at >= self.thief_since


@dataclass(frozen=True)
class WalletDoor:
    """The public door's two addresses for wallets, without HTTP in between."""

    services: Services
    ports: BindingPorts

    async def get(self, url: str) -> httpx2.Response:
        """The request object behind a link."""
        provider, state = _in_path(url)
        signed = await request_for_wallet(self.services, self.ports, provider=provider, state=state)
        return httpx2.Response(200, text=signed, headers={"content-type": f"application/{REQUEST_TYP}"})

    async def post(self, url: str, *, content: str, headers: Mapping[str, str]) -> httpx2.Response:
        """Take an answer; gives what the browser must open."""
        provider, state = _in_path(url)
        fields = dict(parse_qsl(content))
        go_on = await keep_answer(self.services, self.ports, provider=provider, state=state, fields=fields)
        return httpx2.Response(200, json={"redirect_uri": go_on})


def _in_path(url: str) -> tuple[str, str]:
    _, _, provider, _, state = urlsplit(url).path.split("/")
    return provider, state


@dataclass
class Ground:
    """The bank and everything around it; `links` are the slugs of the two cases by whose complaint they answer."""

    house: House
    ports: BindingPorts
    square: Square
    messages: SquareMessages
    phone: Telephones
    logins: Mapping[str, Login]
    papers: Papers
    wallets: dict[str, WalletApp] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    handles: dict[bytes, str] = field(default_factory=dict)
    customers: dict[bytes, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.house.services

    async def complaints(self) -> None:
        """Both complain in public, and Anna works both cases."""
        for person in (VICTIM, ATTACKER):
            self.square.names[person.account] = person.name
            case = await self.house.case(await self.house.claimed(name=person.name))
            self.links[person.name] = case.slug
            self.handles[await handle_hash(self.services, self.square.subject(person.account))] = person.name
            self.customers[await customer_hash(self.services, person.customer.customer_number)] = person.name

    async def agent(self) -> Staff:
        """Anna with a fresh token: an old one may have ended meanwhile."""
        anna = self.house.anna
        async with transaction(self.services) as db:
            started = await sessions.start_staff(db, anna.id, self.services.clock(), kind=session_rules.API)
        return replace(anna, session_id=started.session.id)

    async def work(self) -> None:
        """Work off the outbox, as the worker does."""
        for _ in range(20):
            works = await claim(self.services)
            if not works:
                return
            for work in works:
                await self._handle(work)
        raise AssertionError("the outbox never empties")

    async def _handle(self, work: Work) -> None:
        handlers = {**code_delivery.HANDLERS, **notices.HANDLERS}
        if work.topic in handlers:
            await handlers[work.topic](self.services, self.ports, work)
            return
        async with transaction(self.services) as db:
            await finish(db, work.id)

    async def rows(self, model: type[Any]) -> list[Any]:
        """Every row of a table, oldest first."""
        [found] = await self.tables(model)
        return found

    async def tables(self, *models: type[Any]) -> list[list[Any]]:
        """The same of several tables."""
        async with reading(self.services) as db:
            return [list((await db.execute(select(one).order_by(one.id))).scalars()) for one in models]

    async def row(self, model: type[Any], row_id: UUID) -> Any:
        async with reading(self.services) as db:
            return await db.get_one(model, row_id)

    def newest_message_to(self, account: str) -> str | None:
        """The newest code in the direct messages of an account."""
        return newest(CODE, [text for to, text, _ in self.messages.sent if to == account])

    def newest_code(self, method: str, customer: CustomerRecord, *, by_thief: bool = False) -> str | None:
        """The newest code that a customer's phone or mailbox got."""
        place = customer.phone if method == "sms" else customer.email
        return newest(CODE, self.phone.texts(place, by_thief=by_thief))

    def newest_reference(self, customer: CustomerRecord) -> str | None:
        """What the newest notice lets its reader say "this was not me" with."""
        return newest(REFERENCE, self.phone.texts(customer.phone, customer.email))

    async def from_wallet(self, request: Request, person: Person) -> Callback:
        """A person's wallet answers a request; gives the address that the browser on that device opens next."""
        now = self.services.clock()
        if person.name not in self.wallets:
            door = cast(httpx2.AsyncClient, WalletDoor(self.services, self.ports))
            self.wallets[person.name] = WalletApp([self.papers.access], now, door)
        wallet = self.wallets[person.name]
        wallet.now, wallet.credential = now, self.papers.credential(wallet, person.fiscal_code, now)
        back = Request(request.site, await wallet.answer(request.address))
        return Callback(request.site, back.part("state"), back.part("code"))


def newest(shape: re.Pattern[str], texts: list[str]) -> str | None:
    """The last of what has this shape."""
    found = [match.group() for text in texts if (match := shape.search(text))]
    return found[-1] if found else None


@dataclass(frozen=True)
class Plan:
    """A prepared bank, copied for each story."""

    house: Blueprint
    papers: Papers


async def plan_in(folder: Path, listed_push: str = "{}") -> Plan:
    """Prepare one; `listed_push` are the acr of the push provider that its settings list as relay-resistant."""
    papers = make_papers(folder / "bank", listed_push)
    return Plan(await blueprint("sqlite", folder, None), papers)


@contextlib.asynccontextmanager
async def open_ground(plan: Plan, folder: Path) -> AsyncIterator[Ground]:
    """A fresh bank with both complaints."""
    async with open_house(plan.house, folder, None) as house:
        square, messages, phone = Square(), SquareMessages(), Telephones(clock=house.clock)
        connectors = (replace(house.connector, sign_in=square, direct_messages=messages),)
        offered = plan.papers.open(connectors, house.clock)
        ports = BindingPorts(
            bank="Banca Esempio",
            host="chat.bancaesempio.example",
            public_url="https://chat.bancaesempio.example",
            connectors=connectors,
            directory=Directory([GIULIA, MARCO], named={GIULIAS: "C-1001", MARCOS: "C-1002"}),
            senders=Senders(phone, phone),
            providers=offered.providers,
        )
        house.services.policy = offered.policy
        ground = Ground(house, ports, square, messages, phone, offered.logins, plan.papers)
        await ground.complaints()
        yield ground
