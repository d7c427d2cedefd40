"""The public door as it is put together: what wallets may send it, from wherever they send it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import MagicMock

import httpx2
import pytest

from app.main import Installation, create_public_app
from app.sessions.dependencies import VISITOR_COOKIE
from security.tokens import new_token
from tests.app.binding.bank import Bank
from tests.app.binding.wallets import NAME, Wallets, open_wallets


@dataclass
class Door:
    """The real public application, over a bank with wallets."""

    wallets: Wallets
    web: httpx2.AsyncClient


@pytest.fixture
async def door(bank: Bank) -> AsyncIterator[Door]:
    async with open_wallets(bank) as wallets:
        house = MagicMock(services=bank.services, binding=bank.ports)
        house.settings = MagicMock(public_url=bank.ports.public_url, https=True, trusted_proxies=[], api_docs=False)
        transport = httpx2.ASGITransport(create_public_app(cast(Installation, house)))
        async with httpx2.AsyncClient(transport=transport, base_url=bank.ports.public_url) as web:
            yield Door(wallets, web)


async def test_the_whole_way_goes_through_the_public_door(door: Door) -> None:
    door.wallets.web = door.web
    visitor = await door.wallets.visitor()
    back = await door.wallets.of().answer((await door.wallets.leave(visitor)).url)
    assert (await door.wallets.open(visitor.session_id, back)).session_token is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://wallet.example", "sec-fetch-site": "cross-site"},
        {"cookie": f"{VISITOR_COOKIE}=anything", "origin": "null"},
    ],
    ids=["an app", "a wallet on the web", "a browser with a cookie"],
)
async def test_a_wallet_may_post_from_anywhere_and_gets_no_cookie(door: Door, headers: dict[str, str]) -> None:
    asked = await door.wallets.of().read((await door.wallets.leave(await door.wallets.visitor())).url)
    answer = await door.web.post(asked["response_uri"], data={"response": "x"}, headers=headers)
    assert answer.status_code == 200
    assert list(answer.json()) == ["redirect_uri"]
    assert "set-cookie" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]


async def test_a_large_answer_is_not_read(door: Door) -> None:
    answer = await door.web.post(f"/wallet/{NAME}/response/{new_token()}", data={"response": "x" * 50_000})
    assert answer.status_code == 413
    assert await door.wallets.kept() == []


async def test_nothing_else_may_be_posted_from_elsewhere(door: Door) -> None:
    headers: dict[str, Any] = {"origin": "https://wallet.example", "sec-fetch-site": "cross-site"}
    assert (await door.web.post("/room/leave", headers=headers)).status_code == 403
