"""A bank with a complaint from an account on the AT Protocol, and the servers that its people sign in at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from app.binding import flows, handle_proof
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.atproto import atproto_connector, client_id_of
from app.channels.atproto_identity import NETWORK, SCOPE
from app.channels.ports import ArrivedPost, Connector, Subject
from app.database import transaction
from app.services import Services
from security.jwts import SigningKey
from tests.app.binding.bank import Bank, Visitor
from tests.app.binding.outside import HOME
from tests.support.atproto import PLC, AuthServer, Ground, Person, as_json, atproto_ground

PUBLIC_URL: Final = "https://chat.bancaesempio.example"
NAME: Final = "bluesky"


def connector_at(ground: Ground, public_url: str = PUBLIC_URL, **options: str) -> Connector:
    """The bank's connector to a ground, whose servers read its document where it would be."""
    plc = ground.origin(PLC)
    given = {"directory": plc, "resolver": plc} | options
    connector = atproto_connector(
        name=NAME,
        label="Bluesky",
        handle="@bancaesempio.test",
        bank="Banca Esempio",
        public_url=public_url,
        key=SigningKey.new(),
        outbound=ground.outbound(),
        clock=ground.now,
        **given,
    )

    async def fetch(url: str) -> tuple[int, str, bytes]:
        known = url == client_id_of(public_url, NAME)
        return (200, "application/json", as_json(connector.client_document)) if known else (404, "text/plain", b"")

    ground.fetch = fetch
    return connector


def subject_of(person: Person) -> Subject:
    return Subject(NETWORK, SCOPE, person.did, person.handle, person.handle)


async def complaint_of(services: Services, connector: Connector, person: Person) -> str:
    """A public post; gives the slug of its case."""
    post = ArrivedPost(
        external_id=f"at://{person.did}/app.bsky.feed.post/{uuid4()}",
        author=subject_of(person),
        text="Cara banca, un bollo addebitato due volte?",
        url="https://bsky.example/post/1",
        created_at=services.clock(),
        thread_id="t1",
        in_reply_to=None,
        is_own=False,
    )
    keys = {await handle_hash(services, post.author): await services.vault.create_key("case")}
    async with transaction(services) as db:
        arrival = await receive_post(db, connector, post, keys, CaseClocks())
        assert arrival is not None
        return (await db.get_one(Case, arrival.case_id)).slug


@dataclass
class Sky:
    """Giulia complained; her account is at `pds.test`, which `entry.test` signs in for."""

    bank: Bank
    ground: Ground
    connector: Connector
    giulia: Person
    mallory: Person
    slug: str

    @property
    def entry(self) -> AuthServer:
        return self.ground.authorities["entry.test"]

    async def leave(self, visitor: Visitor, account: str | None = None) -> flows.Leaving:
        leaving = await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=visitor.session_id,
            slug=visitor.slug,
            connector=NAME,
            account=account or f"@{self.giulia.handle}",
            method="sign_in",
            network=HOME,
            language="it",
        )
        assert isinstance(leaving, flows.Leaving)
        return leaving

    async def come_back(self, visitor: Visitor, back: dict[str, str], connector: str = NAME) -> handle_proof.SignedIn:
        return await handle_proof.finish_sign_in(
            self.bank.services,
            self.bank.ports,
            connector=connector,
            session_id=visitor.session_id,
            state=back.get("state", ""),
            code=back.get("code"),
            issuer=back.get("iss"),
            path=back.get("path"),
        )

    async def sign_in(self, visitor: Visitor, who: Person | None = None, account: str | None = None) -> None:
        leaving = await self.leave(visitor, account)
        await self.come_back(visitor, self.ground.approve(leaving.url, who or self.giulia))


@asynccontextmanager
async def open_sky(bank: Bank) -> AsyncIterator[Sky]:
    async with atproto_ground(bank.clock) as ground:
        giulia, mallory = ground.join("giulia.test"), ground.join("mallory.test", "second-pds.test")
        ground.join("bancaesempio.test")
        ground.join("elsewhere.test", "own.test")
        ground.join("solo.test", "own.test", web=True)
        ground.spare = {"giulia-nuova.test"}
        connector = connector_at(ground)
        bank.ports = replace(bank.ports, connectors=(*bank.ports.connectors, connector))
        yield Sky(bank, ground, connector, giulia, mallory, await complaint_of(bank.services, connector, giulia))
