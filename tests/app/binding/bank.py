"""A whole bank for binding tests: real databases, vault, cases, rooms and outbox; the ports outside are stand-ins."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import select

import app.agents.models
import app.cases.models
import app.compliance.models
import app.conversations.models
import app.handover.models
import app.limits.models  # noqa: F401
from app import key_files
from app.actors import Customer
from app.audit.models import Leaf
from app.binding import (
    code_delivery,
    confirming,
    customer_proof,
    flows,
    handle_proof,
    identity_proof,
    notices,
    starting,
)
from app.binding.confirming import Bound
from app.binding.identity_provider import OfferedProvider
from app.binding.models import Attempt, Binding
from app.binding.ports import BindingPorts
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import (
    ArrivedPost,
    Connector,
)
from app.database import create_engines, dispose, reading, transaction
from app.notifications.senders import Senders
from app.notifications.service import Work, claim
from app.outbound import OutboundClient
from app.permissions import Level
from app.services import Services
from app.vault import KeyFile, Vault
from tests.app.binding.outside import (
    GIULIA,
    HOME,
    ISSUER,
    MARCO,
    SILENT,
    START,
    STRONG,
    Clock,
    Directory,
    Kyc,
    Phone,
    SquareMessages,
    SquareSignIn,
    person,
)
from tests.support.databases import DatabaseUrls


@dataclass
class Bank:
    """The house, and what the people in its tests do."""

    services: Services
    clock: Clock
    sign_in: SquareSignIn
    messages: SquareMessages
    phone: Phone
    directory: Directory
    kyc: Kyc
    ports: BindingPorts

    async def complaint(self, name: str = "giulia") -> str:
        """A public post; gives the slug of its case."""
        connector = self.ports.connectors[0]
        post = ArrivedPost(
            external_id=str(uuid4()),
            author=person(name),
            text="Cara banca, un bollo addebitato due volte?",
            url=f"{ISSUER}/p/1",
            created_at=self.clock(),
            thread_id="t1",
            in_reply_to=None,
            is_own=False,
        )
        author_hash = await handle_hash(self.services, post.author)
        keys = {author_hash: await self.services.vault.create_key("case")}
        async with transaction(self.services) as db:
            arrival = await receive_post(db, connector, post, keys, CaseClocks())
            assert arrival is not None
            return (await db.get_one(Case, arrival.case_id)).slug

    async def work(self) -> list[str]:
        """Work off the outbox, as the worker does; gives the topics."""
        done: list[str] = []
        for _ in range(20):
            works = await claim(self.services)
            if not works:
                return done
            for work in works:
                await self.handle(work)
                done.append(work.topic)
        raise AssertionError("the outbox never empties")

    async def handle(self, work: Work) -> None:
        handlers = {**code_delivery.HANDLERS, **notices.HANDLERS}
        if work.topic in handlers:
            await handlers[work.topic](self.services, self.ports, work)
            return
        from app.notifications.service import finish

        async with transaction(self.services) as db:
            await finish(db, work.id)

    async def visit(self, slug: str) -> Visitor:
        """Open the link in a fresh browser and start."""
        started = await starting.start(self.services, slug=slug, session_id=None)
        assert started.session_token is not None
        return Visitor(self, slug, started.session_id, started.attempt_id)

    async def leaves(self, event: str | None = None, stream: str | None = None) -> list[dict[str, Any]]:
        async with reading(self.services) as db:
            rows = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no))).scalars()
            leaves = [json.loads(row) for row in rows]
        return [
            leaf
            for leaf in leaves
            if (event is None or leaf["t"] == event) and (stream is None or leaf["stream"] == stream)
        ]

    async def reasons(self) -> list[str]:
        """Why attempts were refused, in order: the only place that knows."""
        return [leaf["data"]["reason"] for leaf in await self.leaves("attempt.refused")]

    async def withheld(self) -> list[str]:
        return [leaf["data"]["reason"] for leaf in await self.leaves("code.withheld")]

    async def one(self, model: type[Any], row_id: UUID) -> Any:
        async with reading(self.services) as db:
            return await db.get_one(model, row_id)

    async def all(self, model: type[Any]) -> list[Any]:
        async with reading(self.services) as db:
            return list((await db.execute(select(model))).scalars())

    async def bindings(self) -> list[Binding]:
        return await self.all(Binding)


@dataclass
class Visitor:
    """One browser."""

    bank: Bank
    slug: str
    session_id: UUID
    attempt_id: UUID

    async def state(self) -> str:
        attempt: Attempt = await self.bank.one(Attempt, self.attempt_id)
        return attempt.state

    async def leave_for_square(self, account: str = "@giulia") -> flows.Leaving:
        leaving = await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=self.session_id,
            slug=self.slug,
            connector="square",
            account=account,
            method="sign_in",
            network=HOME,
            language="it",
        )
        assert isinstance(leaving, flows.Leaving)
        return leaving

    async def come_back(
        self, leaving: flows.Leaving, code: str | None = "code-of-giulia", issuer: str | None = ISSUER
    ) -> handle_proof.SignedIn:
        return await handle_proof.finish_sign_in(
            self.bank.services,
            self.bank.ports,
            connector="square",
            session_id=self.session_id,
            state=state_of(leaving),
            code=code,
            issuer=issuer,
        )

    async def sign_in(self, name: str = "giulia") -> None:
        leaving = await self.leave_for_square(f"@{name}")
        await self.come_back(leaving, f"code-of-{name}")

    async def ask_direct_message(self, account: str = "@giulia", network: str = HOME) -> None:
        await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=self.session_id,
            slug=self.slug,
            connector="square",
            account=account,
            method="direct_message",
            network=network,
            language="it",
        )
        await self.bank.work()

    async def type_handle_code(self, code: str) -> None:
        await handle_proof.check_handle_code(self.bank.services, session_id=self.session_id, slug=self.slug, code=code)

    async def ask_code(self, identifier: str = "C-1001", method: str = "sms", *, work: bool = True) -> None:
        await customer_proof.request_customer_code(
            self.bank.services,
            self.bank.ports,
            session_id=self.session_id,
            slug=self.slug,
            method=method,
            identifier=identifier,
            network=HOME,
        )
        if work:
            await self.bank.work()

    async def type_code(self, code: str, network: str = HOME) -> None:
        await customer_proof.check_customer_code(
            self.bank.services, session_id=self.session_id, slug=self.slug, code=code, network=network
        )

    async def leave_for_kyc(self) -> flows.Leaving:
        return await identity_proof.begin_identity(
            self.bank.services, self.bank.ports, session_id=self.session_id, slug=self.slug, provider="kyc"
        )

    async def come_back_from_kyc(
        self, leaving: flows.Leaving, code: str | None = f"C-1001 {STRONG}"
    ) -> identity_proof.IdentityFinished:
        return await finish_kyc(self.bank, self.session_id, leaving, code)

    async def identify(self, number: str = "C-1001", acr: str = STRONG) -> None:
        await self.come_back_from_kyc(await self.leave_for_kyc(), f"{number} {acr}")

    async def confirm(self, *, accepted: bool = True, browser: str = "giulias-phone") -> Bound:
        return await confirming.confirm(
            self.bank.services, session_id=self.session_id, slug=self.slug, accepted=accepted, browser=browser
        )


async def finish_kyc(
    bank: Bank, session_id: UUID, leaving: flows.Leaving, code: str | None
) -> identity_proof.IdentityFinished:
    return await identity_proof.finish_identity(
        bank.services, bank.ports, provider="kyc", session_id=session_id, state=state_of(leaving), code=code
    )


async def bound_by_sms(bank: Bank, name: str = "giulia", identifier: str = "C-1001", slug: str | None = None) -> Bound:
    """The whole way in at L2: sign-in, then a code by SMS."""
    visitor = await bank.visit(slug or await bank.complaint(name))
    await visitor.sign_in(name)
    await visitor.ask_code(identifier)
    await visitor.type_code(last_code(bank))
    bound = await visitor.confirm()
    await bank.work()
    return bound


async def bound_by_identity(
    bank: Bank, name: str = "giulia", number: str = "C-1001", slug: str | None = None, browser: str = "giulias-phone"
) -> Bound:
    """The whole way in at L3: sign-in, then a redirect to the identity provider."""
    visitor = await bank.visit(slug or await bank.complaint(name))
    await visitor.sign_in(name)
    await visitor.identify(number)
    bound = await visitor.confirm(browser=browser)
    await bank.work()
    return bound


def customer_of(bound: Bound) -> Customer:
    return Customer(bound.binding_id, bound.conversation_id, bound.session_id, int(bound.level), START)


def state_of(leaving: flows.Leaving) -> str:
    return parse_qs(urlsplit(leaving.url).query)["state"][0]


def code_in(text: str) -> str:
    found = re.search(r"\b\d{8}\b", text)
    assert found is not None
    return found.group()


def last_code(bank: Bank) -> str:
    return code_in(bank.phone.sms[-1][1])


def wrong(code: str) -> str:
    """A code of the same shape that is not this one."""
    return f"{(int(code) + 1) % 10**8:08d}"


@asynccontextmanager
async def open_bank(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Bank]:
    clock = Clock()
    write, read = create_engines(urls.main)
    key_engine, key_reader = create_engines(urls.keys)
    kek = folder / "kek.json"
    key_files.make_kek_file(kek)
    services = Services(write, read, Vault(KeyFile(kek), key_engine, clock), OutboundClient(), clock)
    sign_in, messages, phone, kyc = SquareSignIn(), SquareMessages(), Phone(), Kyc()
    directory = Directory([GIULIA, MARCO, SILENT])
    connector = Connector(
        name="square",
        network="square",
        scope=ISSUER,
        label="Square",
        official_handle="bancaesempio",
        official_url=f"{ISSUER}/@bancaesempio",
        sign_in=sign_in,
        direct_messages=messages,
    )
    ports = BindingPorts(
        bank="Banca Esempio",
        host="chat.bancaesempio.example",
        public_url="https://chat.bancaesempio.example",
        connectors=(connector,),
        directory=directory,
        senders=Senders(phone, phone),
        providers=(OfferedProvider("kyc", "KYC Example", kyc, {STRONG: Level.L3}),),
    )
    try:
        yield Bank(services, clock, sign_in, messages, phone, directory, kyc, ports)
    finally:
        await dispose(write, read, key_engine, key_reader)
