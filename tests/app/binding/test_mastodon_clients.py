"""The clients that we register with strangers' servers: one a server, renewed, few, and well formed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.binding.errors import SignInUnreachable
from app.binding.rules import State
from app.channels import clients
from app.channels.models import OAuthClient
from app.database import transaction
from tests.app.binding.mastodon_town import Town
from tests.support.mastodon import approve


async def test_a_client_is_registered_once_a_server_and_anew_when_it_is_old(town: Town) -> None:
    for _ in range(3):
        await town.sign_in(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 1
    [row] = await town.clients()
    assert row.proved_at is not None
    secret = next(iter(town.away.apps.values())).secret
    assert secret.encode() not in row.sealed_client
    town.bank.clock.pass_by(days=31)
    leaving = await town.leave(await town.bank.visit(town.slug))
    assert leaving.url.startswith(town.away.base)
    assert len(town.away.apps) == 2
    assert len(await town.clients()) == 1


async def test_a_rotation_breaks_no_sign_in_that_is_under_way(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    async with transaction(town.bank.services) as db:
        for row in (await db.execute(select(OAuthClient))).scalars():
            await db.delete(row)
    await town.leave(await town.bank.visit(town.slug))
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia"))
    assert await visitor.state() == State.HANDLE_OK


@pytest.mark.parametrize("quirk", ["no_metadata", "no_userinfo"])
async def test_older_servers_are_asked_in_their_own_way(town: Town, quirk: str) -> None:
    town.away.quirks.add(quirk)
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK
    assert ("GET", "/api/v1/accounts/verify_credentials") in town.away.seen


async def test_where_nothing_binds_a_code_to_a_browser_no_client_is_shared(town: Town) -> None:
    town.away.quirks.add("no_metadata")
    for _ in range(2):
        await town.sign_in(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 2
    assert await town.clients() == []


async def test_one_server_is_asked_for_few_clients_in_a_while(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "REGISTRATIONS_AT_ONE_SERVER", (4, clients.REGISTRATIONS_AT_ONE_SERVER[1]))
    town.away.quirks.add("no_metadata")
    for _ in range(4):
        await town.leave(await town.bank.visit(town.slug))
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert len(town.away.apps) == 4
    town.bank.clock.pass_by(minutes=11)
    await town.leave(await town.bank.visit(town.slug))


async def test_servers_of_strangers_cannot_fill_the_table_nor_push_out_a_proved_one(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 3)
    await town.sign_in(await town.bank.visit(town.slug))
    proved = (await town.clients())[0].site_hash
    for number in range(6):
        town.bank.clock.pass_by(minutes=1)
        await clients.keep(town.bank.services, "mastodon", f"n{number}.evil.example", {"client_id": "x"})
    rows = await town.clients()
    assert len(rows) == 3
    assert proved in {row.site_hash for row in rows}


@pytest.mark.parametrize(
    "answer",
    [{"client_id": ""}, {"client_id": "x" * 5000}, {"client_secret": "y" * 5000}, {"client_secret": None}],
)
async def test_a_malformed_registration_is_not_stored(town: Town, answer: dict[str, Any]) -> None:
    town.away.says["apps"] = answer
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert await town.clients() == []
