"""The provider says that a session is over: ours ends with it, streams included. On both databases, over real HTTP."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select

from app.agents import service as agents
from app.agents.models import StaffAccount
from app.conversations.items import Ended
from app.conversations.stream import begin_watch, staff_stream
from app.sessions.models import Session
from app.sign_on.models import SignOnSession
from security.jwts import SigningKey, VerificationKeys
from security.logout_tokens import EVENT
from tests.app.sign_on.desk import Desk

SOON = 1.0
LOGOUT = "/signin/backchannel-logout"


async def at_the_provider(desk: Desk, account: str, sid: str) -> int:
    """The provider ends a session and tells its client; gives the status that it heard."""
    answer = await desk.openid.log_out("desk", desk.ports.client.client_id, account, sid)
    return int(answer["status"])


async def sid_of(desk: Desk) -> str:
    newest = (await desk.house.all(SignOnSession))[-1]
    return str(newest.sid)


async def test_a_session_that_ends_there_ends_here_with_its_stream_within_a_second(desk: Desk) -> None:
    house, account_id = desk.house, await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        await desk.sign_in(browser, "giulia")
        staff = await _actor(desk, account_id)
        room = await house.room(by=staff)
        watch = await begin_watch(house.services, staff, room.id, 0)
        stream, began = staff_stream(house.services, staff, watch), asyncio.Event()
        items: list[Any] = []

        async def read() -> float:
            async for item in stream:
                items.append(item)
                began.set()
                if isinstance(item, Ended):
                    break
            return time.monotonic()

        reading = asyncio.create_task(read())
        await house.say(room, "Buongiorno?")
        async with asyncio.timeout(10):
            await began.wait()
        begun = time.monotonic()
        assert await at_the_provider(desk, "giulia", await sid_of(desk)) == 200
        async with asyncio.timeout(10):
            over = await reading
        await stream.aclose()
        assert items[-1].code == "unauthenticated"
        assert over - begun < SOON
        assert not await desk.is_in(browser)
    [leaf] = await house.leaves("staff.signed_out", stream=f"staff:{account_id}")
    assert leaf["actor"]["k"] == "system"


async def test_only_the_session_that_is_named_ends(desk: Desk) -> None:
    await desk.hire("giulia.rossi")
    async with desk.browser() as one, desk.browser() as other:
        await desk.sign_in(one, "giulia")
        first = await sid_of(desk)
        await desk.sign_in(other, "giulia")
        assert await at_the_provider(desk, "giulia", first) == 200
        assert not await desk.is_in(one)
        assert await desk.is_in(other)


async def test_a_word_of_an_end_counts_once_and_only_from_the_provider(desk: Desk) -> None:
    await desk.hire("giulia.rossi")
    async with desk.browser() as browser:
        await desk.sign_in(browser, "giulia")
        forged = _token(desk, SigningKey.new())
        for body in ({}, {"logout_token": ""}, {"logout_token": "x.y.z"}, {"logout_token": forged}):
            answer = await browser.post(LOGOUT, data=body)
            assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
            assert "no-store" in answer.headers["cache-control"]
        assert await desk.is_in(browser)
        ours = SigningKey.new()
        _believe(desk, ours)
        right = _token(desk, ours, sub="somebody-else")
        assert [await _told(browser, right) for _ in range(2)] == [200, 400]
        assert await desk.is_in(browser)
        at_once = _token(desk, ours)
        assert sorted(await asyncio.gather(*(_told(browser, at_once) for _ in range(4)))) == [200, 400, 400, 400]
        assert not await desk.is_in(browser)


async def _told(browser: httpx2.AsyncClient, token: str) -> int:
    return (await browser.post(LOGOUT, data={"logout_token": token})).status_code


def _believe(desk: Desk, key: SigningKey) -> None:
    """The provider publishes this key."""
    server = desk.ports.client.server
    published = VerificationKeys.of_jwks({"keys": [key.public_jwk()]})

    async def checked(check: Any, _now: Any) -> Any:
        return check(published)

    server.checked = checked  # type: ignore[method-assign, assignment]


def _token(desk: Desk, key: SigningKey, **changes: Any) -> str:
    at = int(desk.house.clock().timestamp())
    claims = {
        "iss": desk.ports.issuer,
        "aud": desk.ports.client.client_id,
        "sub": "giulia",
        "iat": at,
        "exp": at + int(timedelta(minutes=2).total_seconds()),
        "jti": f"j-{key.kid}-{sorted(changes)}",
        "events": {EVENT: {}},
    }
    return key.sign(claims | changes, typ="logout+jwt")


async def _actor(desk: Desk, account_id: UUID) -> Any:
    async def look(db: Any) -> Any:
        account = await db.get_one(StaffAccount, account_id)
        query = select(Session).where(Session.staff_id == account_id, Session.ended_at.is_(None))
        return agents.actor_of(account, (await db.execute(query)).scalars().one())

    return await desk.house.act(look)
