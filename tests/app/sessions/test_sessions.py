"""Sessions: opaque, hashed, bounded in time, ended at once, one room in one browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.agents.dependencies import CurrentStaff
from app.database import transaction
from app.http.problems import install_problem_handlers
from app.ids import new_id
from app.permissions import Level
from app.policy import Policy
from app.sessions import rules, service
from app.sessions.dependencies import STAFF_COOKIE, VISITOR_COOKIE, VisitorSession
from app.sessions.models import Session
from app.sessions.service import Started
from tests.support.house import START, House


async def visitor(house: House) -> Started:
    return await house.act(lambda db: service.start_visitor(db, house.clock()))


async def staff(house: House, **options: Any) -> Started:
    return await house.act(lambda db: service.start_staff(db, house.anna.id, house.clock(), **options))


async def is_known(house: House, token: str) -> bool:
    return await service.find(house.services, token, house.clock()) is not None


async def raised(house: House, session: Session, level: Level = Level.L3, binding: Any = None) -> Started:
    one = new_id(START)
    return await house.act(
        lambda db: service.raise_to_binding(
            db, session.id, binding_id=binding or one, conversation_id=one, level=level, now=house.clock()
        )
    )


async def test_a_token_is_never_stored_and_never_printed(house: House) -> None:
    started = await visitor(house)
    assert len(started.token) == 43
    [row] = [one for one in await house.all(Session) if one.id == started.session.id]
    columns = [getattr(row, column.key) for column in Session.__table__.columns]
    assert started.token not in repr(columns)
    assert started.token.encode() not in columns
    assert started.token not in repr(started)


async def test_nothing_but_the_very_token_finds_a_session(house: House) -> None:
    started = await visitor(house)
    assert await is_known(house, started.token)
    [row] = [one for one in await house.all(Session) if one.id == started.session.id]
    for wrong in (
        "",
        started.token[:-1],
        started.token + "A",
        started.token.swapcase(),
        row.token_hash.hex(),
        str(row.id),
    ):
        assert not await is_known(house, wrong)


async def test_an_ended_or_expired_session_is_gone_at_once(house: House) -> None:
    one, other = await visitor(house), await visitor(house)
    await house.act(lambda db: service.end(db, one.session.id, house.clock()))
    assert not await is_known(house, one.token)
    house.clock.now = other.session.expires_at - timedelta(seconds=1)
    assert await is_known(house, other.token)
    house.clock.pass_by(seconds=1)
    assert not await is_known(house, other.token)


@pytest.mark.parametrize(("level", "lifetime"), [(Level.L2, 480), (Level.L3, 60), (Level.L4, 60)])
async def test_a_proof_gives_a_new_token_and_ends_the_old_one(house: House, level: Level, lifetime: int) -> None:
    before = await visitor(house)
    after = await raised(house, before.session, level)
    assert after.token != before.token
    assert after.session.id != before.session.id
    assert not await is_known(house, before.token)
    assert await is_known(house, after.token)
    assert after.session.expires_at == house.clock() + timedelta(minutes=lifetime)


async def test_a_second_browser_ends_the_first(house: House) -> None:
    binding = new_id(START)
    first = await raised(house, (await visitor(house)).session, binding=binding)
    other_binding = await raised(house, (await visitor(house)).session)
    second = await raised(house, (await visitor(house)).session, binding=binding)
    assert [await is_known(house, one.token) for one in (first, second, other_binding)] == [False, True, True]
    await house.act(lambda db: service.end_all_of_binding(db, binding, house.clock()))
    assert not await is_known(house, second.token)


@pytest.mark.parametrize("kind", [rules.STAFF, rules.API])
async def test_staff_never_stay_longer_than_eight_hours(house: House, kind: str) -> None:
    wished = await staff(house, kind=kind, lifetime=timedelta(days=30))
    assert wished.session.expires_at == house.clock() + timedelta(hours=8)
    short = await staff(house, kind=kind, lifetime=timedelta(minutes=5))
    assert short.session.expires_at == house.clock() + timedelta(minutes=5)


async def test_all_sessions_of_a_leaver_end_and_no_others(house: House) -> None:
    console, token = await staff(house, kind=rules.STAFF), await staff(house, kind=rules.API)
    other = await visitor(house)
    await house.act(lambda db: service.end_all_of_staff(db, house.anna.id, house.clock()))
    assert [await is_known(house, one.token) for one in (console, token, other)] == [False, False, True]


async def test_last_seen_is_written_once_a_minute_at_most(house: House) -> None:
    started = await visitor(house)
    for seconds, written in ((59, False), (2, True), (30, False)):
        house.clock.pass_by(seconds=seconds)
        before = (await house.one(Session, started.session.id)).last_seen_at
        await house.act(lambda db: service.touch(db, started.session.id, house.clock()))
        assert ((await house.one(Session, started.session.id)).last_seen_at != before) is written


@pytest.mark.parametrize(
    ("kind", "level", "minutes"),
    [
        (rules.STAFF, 0, 15),
        (rules.VISITOR, 0, 60),
        (rules.VISITOR, 1, 60),
        (rules.VISITOR, 2, 15),
        (rules.VISITOR, 3, 5),
        (rules.VISITOR, 4, 5),
    ],
)
def test_idle_limits_are_those_of_the_level(kind: str, level: int, minutes: int) -> None:
    limit, seen = timedelta(minutes=minutes), Session(kind=kind, level=level, last_seen_at=START)
    assert not rules.is_idle(Policy().sessions, seen, START + limit)
    assert rules.is_idle(Policy().sessions, seen, START + limit + timedelta(seconds=1))


def test_an_api_token_has_only_its_lifetime() -> None:
    seen = Session(kind=rules.API, level=0, last_seen_at=START)
    assert not rules.is_idle(Policy().sessions, seen, START + timedelta(days=1))


def app_of(house: House) -> FastAPI:
    app = FastAPI()
    app.state.services = house.services
    install_problem_handlers(app)

    @app.get("/visitor")
    async def of_visitor(session: VisitorSession) -> dict[str, str]:
        return {"id": str(session.id)}

    @app.get("/staff")
    async def of_staff(staff: CurrentStaff) -> dict[str, str]:
        return {"id": str(staff.session_id)}

    return app


async def asked(house: House, path: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx2.ASGITransport(app_of(house))
    async with httpx2.AsyncClient(transport=transport, base_url="https://bank.example") as client:
        return await client.get(path, headers=named)


async def test_a_token_of_one_kind_opens_no_other_door(house: House) -> None:
    """A visitor's cookie is no staff token, a staff cookie no bearer token, and the other way round."""
    tokens = {
        "visitor": (await visitor(house)).token,
        "console": (await staff(house, kind=rules.STAFF)).token,
        "api": (await staff(house, kind=rules.API)).token,
    }
    for kind, token in tokens.items():
        ways = {
            "visitor": await asked(house, "/visitor", cookie=f"{VISITOR_COOKIE}={token}"),
            "console": await asked(house, "/staff", cookie=f"{STAFF_COOKIE}={token}"),
            "api": await asked(house, "/staff", authorization=f"Bearer {token}"),
        }
        assert {way: answer.status_code for way, answer in ways.items()} == {
            way: 200 if way == kind else 401 for way in ways
        }


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer x", "Bearer x y", "Token x"])
async def test_a_broken_authorization_is_401_and_never_falls_back_to_the_cookie(house: House, header: str) -> None:
    console = await staff(house, kind=rules.STAFF)
    answer = await asked(house, "/staff", authorization=header, cookie=f"{STAFF_COOKIE}={console.token}")
    assert answer.status_code == (200 if not header.strip() else 401)


async def test_an_idle_console_is_over_and_looking_keeps_it_alive(house: House) -> None:
    console = await staff(house, kind=rules.STAFF)
    cookie = f"{STAFF_COOKIE}={console.token}"
    for _ in range(3):
        house.clock.pass_by(minutes=14)
        assert (await asked(house, "/staff", cookie=cookie)).status_code == 200
    house.clock.pass_by(minutes=15, seconds=1)
    refused = await asked(house, "/staff", cookie=cookie)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_over")


@pytest.mark.parametrize("automatic", [{"x_riserbo_automatic": "1"}, {"accept": "text/event-stream"}])
async def test_a_page_that_refreshes_itself_and_a_stream_are_no_sign_of_life(
    house: House, automatic: dict[str, str]
) -> None:
    console = await staff(house, kind=rules.STAFF)
    cookie = f"{STAFF_COOKIE}={console.token}"
    house.clock.pass_by(minutes=14)
    assert (await asked(house, "/staff", cookie=cookie, **automatic)).status_code == 200
    house.clock.pass_by(minutes=2)
    assert (await asked(house, "/staff", cookie=cookie)).status_code == 401


async def test_locking_keeps_the_session_for_its_owner(house: House) -> None:
    started = await visitor(house)
    async with transaction(house.services) as db:
        await service.lock(db, started.session.id)
    assert (await house.one(Session, started.session.id)).locked
    assert await is_known(house, started.token)
