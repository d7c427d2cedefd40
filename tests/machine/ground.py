"""Where the machine plays: one whole bank on SQLite, a network and two identity providers that keep to their protocols.

Network and providers do what the real ones do for a browser: they bind a code to the request that it answers (PKCE,
nonce), give it to whoever approved in that browser, and take it once. Nothing here knows who is honest.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from app.actors import Staff
from app.binding import code_delivery, notices
from app.binding.identity_provider import (
    IdentityAnswer,
    IdentityRefused,
    IdentityResult,
    IdentityWish,
    OfferedProvider,
)
from app.binding.pairs import customer_hash
from app.binding.ports import BindingPorts
from app.cases.arriving import handle_hash
from app.channels.ports import Departure, SignInAnswer, SignInFailed, SignInWish, Subject
from app.database import reading, transaction
from app.directory.port import CustomerRecord
from app.notifications.senders import Senders
from app.notifications.service import Work, claim, finish
from app.permissions import Level
from app.services import Services
from app.sessions import rules as session_rules
from app.sessions import service as sessions
from security.tokens import new_token
from tests.app.binding.bank import GIULIA, MARCO, Directory, Phone, SquareMessages
from tests.support.house import Blueprint, House, open_house
from tests.support.square import ISSUER

NETWORK_OF_VISITORS: Final = "203.0.113.0/24"
STRONG, HIGH, PUSH = "strong", "high", "push"
CODE: Final = re.compile(r"(?<!\d)\d{8}(?!\d)")
REFERENCE: Final = re.compile(r"\b\w{4}-\w{4}-\w{4}\b")


@dataclass(frozen=True)
class Person:
    """Somebody with an account at the network and a contract at the bank."""

    name: str
    customer: CustomerRecord

    @property
    def account(self) -> str:
        """The immutable id at the network, whatever the account is called today."""
        return f"id-of-{self.name}"


VICTIM: Final = Person("giulia", GIULIA)
ATTACKER: Final = Person("marco", MARCO)


@dataclass(frozen=True)
class Request:
    """An authorization request as it stands in an address bar: whoever opens it is asked to approve it."""

    site: str
    state: str


@dataclass(frozen=True)
class Callback:
    """What comes back of it: an address of ours, to be opened by any browser."""

    site: str
    state: str
    code: str


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
        code = new_token()
        self.codes[code] = account, self.asked[request.state]
        return Callback(request.site, request.state, code)

    async def finish(self, _services: Services, answer: SignInAnswer) -> Subject:
        account, challenge = self.codes.pop(answer.code, ("", ""))
        if not account or challenge_of(answer.code_verifier) != challenge:
            raise SignInFailed("invalid_grant")
        return self.subject(account)


@dataclass
class Provider:
    """An identity provider; `acr` is given by how the person approved, never by who asks."""

    name: str
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    codes: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def prepare(self) -> Mapping[str, str]:
        return {}

    async def begin(self, wish: IdentityWish) -> str:
        self.asked[wish.state] = wish.nonce, wish.code_challenge
        return f"https://{self.name}.example/authorize?state={wish.state}"

    def approve(self, request: Request, customer: CustomerRecord, acr: str) -> Callback:
        code = new_token()
        self.codes[code] = request.state, customer.customer_number, acr
        return Callback(request.site, request.state, code)

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        state, number, acr = self.codes.pop(answer.code, ("", "", ""))
        nonce, challenge = self.asked.get(state, ("", ""))
        if not number or challenge_of(answer.code_verifier) != challenge:
            raise IdentityRefused("invalid_grant")
        return IdentityResult(number, acr, nonce, self.name)


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Ground:
    """The bank and everything around it; `links` are the slugs of the two cases by whose complaint they answer."""

    house: House
    ports: BindingPorts
    square: Square
    messages: SquareMessages
    phone: Phone
    providers: dict[str, Provider]
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
        async with reading(self.services) as db:
            return list((await db.execute(select(model).order_by(model.id))).scalars())

    async def row(self, model: type[Any], row_id: UUID) -> Any:
        async with reading(self.services) as db:
            return await db.get_one(model, row_id)

    def newest_message_to(self, account: str) -> str | None:
        """The newest code in the direct messages of an account."""
        return newest(CODE, [text for to, text, _ in self.messages.sent if to == account])

    def newest_code(self, method: str, customer: CustomerRecord) -> str | None:
        """The newest code that a customer's phone or mailbox got."""
        return newest(CODE, self._texts(method, customer))

    def newest_reference(self, customer: CustomerRecord) -> str | None:
        """What the newest notice lets its reader say "this was not me" with."""
        return newest(REFERENCE, self._texts("sms", customer) + self._texts("email", customer))

    def _texts(self, method: str, customer: CustomerRecord) -> list[str]:
        if method == "sms":
            return [text for to, text in self.phone.sms if to == customer.phone]
        return [text for to, _, text in self.phone.mails if to == customer.email]


def newest(shape: re.Pattern[str], texts: list[str]) -> str | None:
    """The last of what has this shape."""
    found = [match.group() for text in texts if (match := shape.search(text))]
    return found[-1] if found else None


@contextlib.asynccontextmanager
async def open_ground(plan: Blueprint, folder: Path) -> AsyncIterator[Ground]:
    """A fresh bank with both complaints. `id` is bound to our origin, `push` asks on a second device: not listed."""
    async with open_house(plan, folder, None) as house:
        square, messages, phone = Square(), SquareMessages(), Phone()
        providers = {name: Provider(name) for name in ("id", "push")}
        ports = BindingPorts(
            bank="Banca Esempio",
            host="chat.bancaesempio.example",
            public_url="https://chat.bancaesempio.example",
            connectors=(replace(house.connector, sign_in=square, direct_messages=messages),),
            directory=Directory([GIULIA, MARCO]),
            senders=Senders(phone, phone),
            providers=(
                OfferedProvider("id", "Identity", providers["id"], {STRONG: Level.L3, HIGH: Level.L4}),
                OfferedProvider("push", "Push", providers["push"], {}, approval="push"),
            ),
        )
        ground = Ground(house, ports, square, messages, phone, providers)
        await ground.complaints()
        yield ground
