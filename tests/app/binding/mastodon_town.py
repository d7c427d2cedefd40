"""A bank with a complaint from a Mastodon server, and the people who sign in at theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import select

from app.binding import flows, handle_proof
from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.mastodon import mastodon_connector
from app.channels.models import OAuthClient
from app.database import reading, transaction
from security.secret import Secret
from tests.app.binding.bank import Bank, Visitor
from tests.app.binding.outside import HOME
from tests.support.mastodon import Fediverse, Server, approve, fediverse
from tests.support.mastodon_entities import Account

PUBLIC_URL = "https://chat.bancaesempio.example"


@dataclass
class Town:
    """A bank with a complaint of Giulia's, whose account is on another server than the bank's."""

    bank: Bank
    world: Fediverse
    home: Server
    away: Server
    other: Server
    giulia: Account
    mallory: Account
    slug: str

    def named(self, account: Account | None = None) -> str:
        one = account or self.giulia
        return f"@{one.name}@{one.host}"

    async def leave(self, visitor: Visitor, account: str | None = None) -> flows.Leaving:
        leaving = await handle_proof.request_handle(
            self.bank.services,
            self.bank.ports,
            session_id=visitor.session_id,
            slug=visitor.slug,
            connector="mastodon",
            account=account or self.named(),
            method="sign_in",
            network=HOME,
            language="it",
        )
        assert isinstance(leaving, flows.Leaving)
        return leaving

    async def come_back(self, visitor: Visitor, back: dict[str, str]) -> handle_proof.SignedIn:
        return await handle_proof.finish_sign_in(
            self.bank.services,
            self.bank.ports,
            connector="mastodon",
            session_id=visitor.session_id,
            state=back.get("state", ""),
            code=back.get("code"),
            issuer=back.get("iss"),
            path=back.get("path"),
        )

    async def sign_in(self, visitor: Visitor, server: Server | None = None, name: str = "giulia") -> None:
        leaving = await self.leave(visitor)
        await self.come_back(visitor, await approve(leaving.url, server or self.away, name))

    async def clients(self) -> list[OAuthClient]:
        async with reading(self.bank.services) as db:
            return list((await db.execute(select(OAuthClient))).scalars())


@asynccontextmanager
async def open_town(bank: Bank) -> AsyncIterator[Town]:
    async with fediverse("banca.localhost", "social.localhost", "altra.localhost", now=bank.clock) as world:
        home, away, other = world.servers.values()
        account = home.join("bancaesempio", "Banca Esempio")
        connector = mastodon_connector(
            name="mastodon",
            base_url=home.base,
            account="bancaesempio",
            token=Secret(home.token_of(account).encode()),
            label="Mastodon",
            outbound=world.outbound(),
        )
        bank.ports = replace(bank.ports, connectors=(*bank.ports.connectors, connector))
        giulia = away.join("giulia")
        away.post(giulia, f"@bancaesempio@{home.site} un bollo due volte?")
        assert connector.arrivals is not None
        [post] = (await connector.arrivals.poll(None))[0]
        keys = {await handle_hash(bank.services, post.author): await bank.services.vault.create_key("case")}
        async with transaction(bank.services) as db:
            arrival = await receive_post(db, connector, post, keys, CaseClocks())
            assert arrival is not None
            slug = (await db.get_one(Case, arrival.case_id)).slug
        yield Town(bank, world, home, away, other, giulia, away.join("mallory"), slug)
