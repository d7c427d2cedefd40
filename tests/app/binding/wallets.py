"""A bank that accepts wallets, its visitors' wallets, and the door between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from joserfc.jwk import ECKey

from app.binding import identity_proof
from app.binding.errors import NotFinishedHere
from app.binding.flows import Leaving
from app.binding.identity_provider import OfferedProvider
from app.binding.models import PostedAnswer
from app.binding.wallet import WalletProvider
from app.binding.wallet_routes import router
from app.directory.port import IdentifierKind
from app.http.problems import install_problem_handlers
from app.permissions import Level
from security.certificates import certificate_hash
from security.jwts import SigningKey
from security.sd_jwt import TrustedIssuer
from tests.app.binding.bank import START, Bank, Visitor
from tests.support.certificates import Authority, root
from tests.support.wallet import NUMBER, VCT, PidIssuer, WalletApp

NAME: Final = "it-wallet"
HOST: Final = "chat.bancaesempio.example"
CLIENT_ID: Final = f"x509_san_dns:{HOST}"
GIULIAS: Final = "TINIT-FRRGLI80A41L219X"
MARCOS: Final = "TINIT-BNCMRC85M01F205S"


@dataclass
class Wallets:
    """The bank, whom it trusts to issue, who vouches for it, and the web in between."""

    bank: Bank
    issuer: PidIssuer
    access: Authority
    provider: WalletProvider
    web: httpx2.AsyncClient

    def of(self, number: str = GIULIAS, issuer: PidIssuer | None = None, **claims: Any) -> WalletApp:
        """The wallet of the person with this number."""
        wallet = WalletApp([self.access], self.bank.clock(), self.web)
        wallet.credential = (issuer or self.issuer).issue(wallet.key, self.bank.clock(), number, **claims)
        return wallet

    def offer(self, provider: WalletProvider, relay_resistant: Mapping[str, Level]) -> None:
        """Let the bank's pages offer wallets, worth this much."""
        offered = OfferedProvider(NAME, "IT-Wallet", provider, relay_resistant, look=provider.look)
        others = [one for one in self.bank.ports.providers if one.name != NAME]
        self.provider, self.bank.ports = provider, replace(self.bank.ports, providers=(*others, offered))

    async def visitor(self, name: str = "giulia", slug: str | None = None) -> Visitor:
        """A visitor who has proved the account."""
        visitor = await self.bank.visit(slug or await self.bank.complaint(name))
        await visitor.sign_in(name)
        return visitor

    async def leave(self, visitor: Visitor) -> Leaving:
        """Choose the wallet on the way in."""
        return await identity_proof.begin_identity(
            self.bank.services, self.bank.ports, session_id=visitor.session_id, slug=visitor.slug, provider=NAME
        )

    async def open(self, session_id: UUID | None, address: str) -> identity_proof.IdentityFinished:
        """The browser of this session opens what the wallet gave it."""
        query = parse_qs(urlsplit(address).query)
        return await identity_proof.finish_identity(
            self.bank.services,
            self.bank.ports,
            provider=NAME,
            session_id=session_id,
            state=query["state"][0],
            code=query.get("code", [None])[0],
        )

    async def refused(self, visitor: Visitor, address: str) -> str:
        """The browser gets the one text; gives the reason that only the newest leaf knows."""
        with pytest.raises(NotFinishedHere) as refused:
            await self.open(visitor.session_id, address)
        assert refused.value.message == NotFinishedHere.message
        return (await self.bank.reasons())[-1]

    async def kept(self) -> list[PostedAnswer]:
        """The answers that wait for their browsers."""
        return await self.bank.all(PostedAnswer)


def access_certificate(access: Authority, key: SigningKey, at: datetime, **changes: Any) -> Any:
    """What names the bank to wallets."""
    public: Any = ECKey.import_key(key.bare_jwk()).public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return access.certify(public, at, **{"names": [HOST], **changes})


@asynccontextmanager
async def open_wallets(bank: Bank, prefix: str = "x509_san_dns") -> AsyncIterator[Wallets]:
    """A bank with wallets, known to them by this kind of name."""
    issuer, access, key = PidIssuer(START), root(START, "access"), SigningKey.new()
    leaf = access_certificate(access, key, START)
    provider = WalletProvider(
        name=NAME,
        url="openid4vp://",
        public_url=bank.ports.public_url,
        client_id=CLIENT_ID if prefix == "x509_san_dns" else f"x509_hash:{certificate_hash(leaf)}",
        key=key,
        chain=[leaf],
        issuers={issuer.url: TrustedIssuer(issuer.url, roots=(issuer.authority.certificate,))},
        vct=VCT,
        claim=NUMBER,
        kind=IdentifierKind.FISCAL_CODE,
    )
    bank.directory.named = {GIULIAS: "C-1001", MARCOS: "C-1002"}
    door = FastAPI()
    door.include_router(router)
    install_problem_handlers(door)
    transport = httpx2.ASGITransport(door)
    async with httpx2.AsyncClient(transport=transport, base_url=bank.ports.public_url) as web:
        wallets = Wallets(bank, issuer, access, provider, web)
        wallets.offer(provider, {VCT: Level.L4})
        door.state.services, door.state.binding_ports = bank.services, bank.ports
        yield wallets
