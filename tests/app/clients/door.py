"""The staff door's API with tokens of two kinds of issuer: our own authorization server, and the bank's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
from fastapi import FastAPI

from app import key_files
from app.actors import Operator, Staff
from app.agents.dependencies import install_staff_refusals
from app.agents.models import MachineClient
from app.agents.ports import TokenPorts, TrustedIssuer, by_issuer
from app.agents.routes import router as agent_routes
from app.cases.routes import router as case_routes
from app.clients import service
from app.clients.issuing import IssuerPorts
from app.clients.routes import router as client_routes
from app.clients.service import NewClient
from app.compliance.routes import router as compliance_routes
from app.conversations.routes import router as conversation_routes
from app.http.problems import install_problem_handlers
from security.access_tokens import Rule
from security.client_assertions import ASSERTION_TYPE, registered_keys
from security.dpop import make_proof
from security.jwts import SigningKey, VerificationKeys
from tests.support.house import PUBLIC_URL, House

URL: Final = "https://staff.bancaesempio.example"
BANK: Final = "https://login.bancaesempio.example"
OPERATOR: Final = Operator("root")
READ: Final = ("cases:read", "cases:work", "rooms:talk")


@dataclass
class KeysAtHand:
    """The bank's issuer: what it publishes now, and how often it was asked for more."""

    listed: list[SigningKey]
    seen: list[SigningKey] = field(default_factory=list)
    asked: int = 0

    async def verification_keys(self, *, fresh: bool = False) -> VerificationKeys:
        if fresh or not self.seen:
            self.asked += 1
            self.seen = list(self.listed)
        return VerificationKeys.of_jwks({"keys": [key.public_jwk() for key in self.seen]})


@dataclass
class Door:
    """One client of the API, whoever it claims to be."""

    house: House
    app: FastAPI
    wire: httpx2.AsyncClient
    bank: KeysAtHand
    keys: key_files.TokenKeyFile
    log: list[httpx2.Response] = field(default_factory=list)

    @property
    def at(self) -> int:
        """The time now, in seconds."""
        return int(self.house.clock().timestamp())

    def settle(self, *, requires_dpop: bool = False, uses_nonces: bool = False) -> None:
        """How tokens must come, from now on."""
        rule = Rule(BANK, f"{URL}/api/v1")
        trusted = TrustedIssuer(rule, self.bank, subject_claim="preferred_username", scope_prefix="riserbo/")
        self.app.state.token_ports = TokenPorts(URL, by_issuer([trusted]), requires_dpop, uses_nonces)
        self.app.state.issuer_ports = IssuerPorts(URL, f"{URL}/api/v1", self.keys, requires_dpop, uses_nonces)

    async def register(
        self, key: SigningKey, name: str = "crm", scopes: Sequence[str] = READ, **options: Any
    ) -> MachineClient:
        """A program of ours, or (`issuer`) of the bank's."""
        public = [] if options.get("issuer") else registered_keys(key.public_jwk())
        new = NewClient(name, name.upper(), "Banca Esempio", scopes, public, **options)
        return await self.house.act(lambda db: service.add(db, OPERATOR, new))

    async def ask(
        self, form: Mapping[str, str] | None = None, *, key: SigningKey | None = None, **headers: str
    ) -> httpx2.Response:
        """At the token endpoint; `key` proves itself there with a DPoP proof."""
        if key is not None:
            headers["dpop"] = make_proof(key, "POST", f"{URL}/oauth/token", self.house.clock())
        return await self.wire.post("/oauth/token", data=dict(form or {}), headers=headers)

    def form(self, key: SigningKey, name: str = "crm", **changes: Any) -> dict[str, str]:
        """A right request for a token; None takes a field away."""
        right = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(key, name),
            **changes,
        }
        return {field_name: str(value) for field_name, value in right.items() if value is not None}

    def assertion(self, key: SigningKey, name: str = "crm", **changes: Any) -> str:
        """A right assertion, with changes."""
        right = {"iss": name, "sub": name, "aud": URL, "jti": str(uuid4()), "iat": self.at, "exp": self.at + 60}
        return key.sign(right | changes, typ="JWT")

    async def token(
        self, key: SigningKey, name: str = "crm", *, bound: SigningKey | None = None, scope: Any = None
    ) -> str:
        """A token of ours for a program."""
        answer = await self.ask(self.form(key, name, scope=scope), key=bound)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def banks_token(self, key: SigningKey | None = None, **changes: Any) -> str:
        """A token of the bank's own authorization server, for Anna at her console."""
        right = {
            "iss": BANK,
            "aud": f"{URL}/api/v1",
            "sub": "u-7",
            "preferred_username": "Anna",
            "client_id": "desk",
            "jti": str(uuid4()),
            "iat": self.at,
            "exp": self.at + 600,
            "scope": "riserbo/cases:read riserbo/agents:manage mail:read",
        }
        claims = {name: value for name, value in (right | changes).items() if value is not None}
        return (key or self.bank.listed[0]).sign(claims, typ="at+jwt")

    async def get(self, path: str, token: str, *, key: SigningKey | None = None, **headers: str) -> httpx2.Response:
        """Read; `key` proves possession."""
        return await self.send("GET", path, token, key=key, **headers)

    async def send(
        self, method: str, path: str, token: str, *, key: SigningKey | None = None, body: Any = None, **headers: str
    ) -> httpx2.Response:
        """Act; `key` proves possession. Headers that are given win."""
        sent = {"authorization": f"{'Bearer' if key is None else 'DPoP'} {token}"}
        if key is not None:
            sent["dpop"] = make_proof(key, method, f"{URL}/api/v1{path}", self.house.clock(), access_token=token)
        return await self.wire.request(method, f"/api/v1{path}", headers=sent | headers, json=body)

    async def status(self, token: str, path: str = "/staff/me", **options: Any) -> int:
        """What a read answers."""
        return (await self.get(path, token, **options)).status_code


@asynccontextmanager
async def open_door(house: House, folder: Path) -> AsyncIterator[Door]:
    """The door of a house."""
    path = folder / key_files.TOKEN_KEY_FILE
    key_files.make_token_key_file(path)
    app = FastAPI()
    app.state.services, app.state.public_url = house.services, PUBLIC_URL
    for router in (agent_routes, case_routes, conversation_routes, compliance_routes, client_routes):
        app.include_router(router)
    install_staff_refusals(app, install_problem_handlers(app))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=URL) as wire:
        door = Door(house, app, wire, KeysAtHand([SigningKey.new()]), key_files.TokenKeyFile(path))
        door.settle()
        yield door


def actor_of_leaf(leaf: dict[str, Any]) -> tuple[str, str]:
    """Who did it: kind and id."""
    return leaf["actor"]["k"], leaf["actor"]["id"]


def same_answer(answers: Sequence[httpx2.Response]) -> set[str]:
    """The bodies of refusals, without what differs from answer to answer."""
    return {json.dumps({**answer.json(), "request_id": ""}, sort_keys=True) for answer in answers}


def staff_named(house: House, name: str) -> Staff:
    """A member of staff by login."""
    return house.staff[name]
