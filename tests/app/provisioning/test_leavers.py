"""A leaver's sessions, tokens and streams end at once, on both databases; and who may say so."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from app.actors import SYSTEM, Staff
from app.agents import service as agents
from app.agents.models import StaffAccount
from app.clients import service as clients
from app.clients.service import NewClient
from app.conversations.items import Ended
from app.conversations.stream import begin_watch, staff_stream
from app.provisioning.rules import ProvisioningPorts
from app.sessions import rules
from app.sessions import service as sessions
from app.sessions.models import Session
from security.jwts import SigningKey
from tests.app.provisioning.client import Client, signed_in, user

LEAVING: dict[str, Any] = {"op": "replace", "path": "active", "value": False}
SOON = 1.0


async def at_work(client: Client, name: str = "giulia.rossi") -> tuple[str, Staff]:
    """A joiner with a live session, as an actor; and the id of the account."""
    made = await client.joins(name, externalId=name)

    async def start(db: Any) -> Staff:
        account = await db.get_one(StaffAccount, UUID(made["id"]))
        started = await sessions.start_staff(db, account.id, client.house.clock(), kind=rules.API)
        return agents.actor_of(account, started.session)

    return made["id"], await client.house.act(start)


async def test_a_leavers_open_stream_ends_within_a_second(client: Client) -> None:
    house = client.house
    account_id, staff = await at_work(client)
    room = await house.room(by=staff)
    watch = await begin_watch(house.services, staff, room.id, 0)
    stream = staff_stream(house.services, staff, watch)
    items: list[Any] = []
    began = asyncio.Event()

    async def read() -> float:
        async for item in stream:
            items.append(item)
            began.set()
            if isinstance(item, Ended):
                break
        return time.monotonic()

    reading = asyncio.create_task(read())
    await house.say(room, "Buongiorno, ci siete?")
    async with asyncio.timeout(10):
        await began.wait()
    begun = time.monotonic()
    assert (await client.patch(account_id, LEAVING)).status_code == 200
    async with asyncio.timeout(10):
        ended_at = await reading
    await stream.aclose()
    assert items[-1].code == "unauthenticated"
    assert ended_at - begun < SOON


async def test_tokens_and_sessions_of_a_leaver_are_over_and_stay_so(client: Client) -> None:
    account_id, _ = await at_work(client)
    token = await signed_in(client.house, UUID(account_id))
    headers = {"authorization": f"Bearer {token}"}
    assert (await client.wire.get("/api/v1/staff/me", headers=headers)).status_code == 200
    left = await client.patch(account_id, LEAVING)
    assert left.json()["active"] is False
    assert (await client.wire.get("/api/v1/staff/me", headers=headers)).status_code == 401
    rows = [one for one in await client.house.all(Session) if one.staff_id == UUID(account_id)]
    assert rows
    assert all(one.ended_at is not None for one in rows)
    leaves = await client.house.leaves("staff.deactivated")
    assert [leaf["actor"]["k"] for leaf in leaves] == ["client"]
    back = await client.patch(account_id, {**LEAVING, "value": True})
    assert back.json()["active"] is True
    assert (await client.wire.get("/api/v1/staff/me", headers=headers)).status_code == 401
    assert len(await client.house.leaves("staff.reactivated")) == 1


async def test_roles_that_stand_for_nothing_hold_up_no_leaver(client: Client) -> None:
    account_id, _ = await at_work(client)
    answer = await client.send("PUT", f"/Users/{account_id}", user(active=False, roles=[{"value": "Nobody knows"}]))
    assert (answer.status_code, answer.json()["active"]) == (200, False)


async def test_who_is_deleted_is_gone_for_the_client_and_the_name_is_free(client: Client) -> None:
    account_id, _ = await at_work(client)
    assert (await client.send("DELETE", f"/Users/{account_id}")).status_code == 204
    for method in ("GET", "DELETE"):
        assert (await client.send(method, f"/Users/{account_id}")).status_code == 404
    assert (await client.send("GET", "/Users")).json()["totalResults"] == 0
    account = await client.house.one(StaffAccount, UUID(account_id))
    assert (account.active, account.login) == (False, f"giulia.rossi (left {account_id})")
    assert len(await client.house.leaves("staff.removed")) == 1
    again = await client.joins("giulia.rossi", externalId="giulia.rossi")
    assert again["id"] != account_id


async def test_a_program_needs_the_scope_and_a_person_may_not_at_all(client: Client) -> None:
    house = client.house
    for scope, status in (("cases:read", 403), ("scim", 200)):
        new = NewClient(f"idm-{scope.partition(':')[0]}", "IDM", "Bank", [scope], [SigningKey.new().public_jwk()])
        made = await house.act(lambda db, new=new: clients.add(db, SYSTEM, new))  # type: ignore[misc]
        client.token = await _scoped(client, made.id, scope)
        assert (await client.send("GET", "/Users")).status_code == status
    joined = await client.joins()
    [leaf] = await house.leaves("staff.added", stream=f"staff:{joined['id']}")
    assert (leaf["actor"]["k"], leaf["actor"]["id"]) == ("client", str(made.id))
    client.token = await signed_in(house, house.ada.id)
    assert (await client.send("GET", "/Users")).status_code == 403
    client.token = await signed_in(house, house.ada.id, rules.STAFF)
    assert (await client.send("GET", "/Users")).status_code == 401


async def _scoped(client: Client, account_id: Any, scope: str) -> str:
    async def start(db: Any) -> str:
        started = await sessions.start_staff(db, account_id, client.house.clock(), kind=rules.API, scopes=scope)
        return started.token

    return await client.house.act(start)


async def test_without_settings_there_is_no_provisioning(client: Client) -> None:
    client.app.state.provisioning_ports = ProvisioningPorts("")
    assert (await client.send("GET", "/Users")).status_code == 404


async def test_whoever_has_the_longest_names_can_leave(client: Client) -> None:
    """What is made of two names must not be longer than what a client may send back."""
    names = {"name": {"givenName": "G" * 100, "familyName": "R" * 100}}
    made = (await client.send("POST", "/Users", user("lungo") | names)).json()
    answer = await client.patch(made["id"], LEAVING)
    assert answer.status_code == 200, answer.text
    assert answer.json()["active"] is False


async def test_a_name_that_grows_without_case_is_refused_before_it_is_an_account(client: Client) -> None:
    answer = await client.send("POST", "/Users", user("\N{LATIN SMALL LETTER SHARP S}" * 60))
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
