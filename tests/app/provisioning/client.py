"""A provisioning client at the staff door of a house."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from fastapi import FastAPI

from app.actors import Role
from app.agents.dependencies import install_staff_refusals
from app.agents.routes import router as agent_routes
from app.conversations.routes import router as conversation_routes
from app.http.body_limits import BodyLimits
from app.http.problems import install_problem_handlers
from app.provisioning.documents import USER
from app.provisioning.patching import PATCH
from app.provisioning.routes import router as provisioning_routes
from app.provisioning.rules import ProvisioningPorts
from app.sessions import rules
from app.sessions import service as sessions
from security.tokens import token_hash
from tests.support.house import PUBLIC_URL, House

URL: Final = "https://staff.bancaesempio.example"
BASE: Final = f"{URL}/scim/v2"
TOKEN: Final = "a-token-of-the-installation-itself"
ROLES: Final = {"Desk": Role.AGENT, "Desk leads": Role.SUPERVISOR, "Audit": Role.COMPLIANCE}


@dataclass
class Client:
    """Sends what an identity management system sends."""

    house: House
    app: FastAPI
    wire: httpx2.AsyncClient
    token: str = TOKEN

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request under /scim/v2."""
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/scim+json"} | headers
        return await self.wire.request(method, f"/scim/v2{path}", json=body, headers=sent)

    async def joins(self, name: str = "giulia.rossi", **more: Any) -> dict[str, Any]:
        """A joiner, made."""
        answer = await self.send("POST", "/Users", user(name, **more))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def patch(self, account: str, *operations: dict[str, Any], **headers: str) -> httpx2.Response:
        """Operations on an account."""
        return await self.send("PATCH", f"/Users/{account}", {"schemas": [PATCH], "Operations": operations}, **headers)

    async def read(self, account: str) -> dict[str, Any]:
        """The account as it is."""
        answer = await self.send("GET", f"/Users/{account}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def user(name: str = "giulia.rossi", **more: Any) -> dict[str, Any]:
    """What a client says of a joiner; fields that we do not keep are among it."""
    return {
        "schemas": [USER],
        "userName": name,
        "externalId": f"ext-{name}",
        "name": {"givenName": "Giulia", "familyName": "Rossi", "honorificPrefix": "Dott."},
        "emails": [{"value": f"{name}@bank.example", "primary": True}],
        "active": True,
        "roles": [{"value": "Desk"}],
        **more,
    }


@asynccontextmanager
async def open_client(house: House) -> AsyncIterator[Client]:
    """The staff door with provisioning on."""
    app = FastAPI()
    app.state.services, app.state.public_url = house.services, PUBLIC_URL
    app.state.provisioning_ports = ProvisioningPorts(BASE, is_on=True, roles=ROLES, token_hash=token_hash(TOKEN))
    for router in (agent_routes, conversation_routes, provisioning_routes):
        app.include_router(router)
    install_staff_refusals(app, install_problem_handlers(app))
    app.add_middleware(BodyLimits)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=URL) as wire:
        yield Client(house, app, wire)


async def signed_in(house: House, account_id: Any, kind: str = rules.API) -> str:
    """A live token of an account."""

    async def start(db: Any) -> str:
        return (await sessions.start_staff(db, account_id, house.clock(), kind=kind)).token

    return await house.act(start)
