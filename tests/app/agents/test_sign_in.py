"""Staff sign-in: one answer for every cause, a code once, few guesses, and leavers gone at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.actors import SYSTEM, Role, Staff
from app.agents import queries, service
from app.agents.errors import LoginTaken, SignInRefused, WeakPassword
from app.agents.models import StaffAccount
from app.agents.routes import router
from app.agents.service import Credentials, NewStaff
from app.database import reading, transaction
from app.errors import Forbidden, NotFound
from app.http.problems import install_problem_handlers
from app.limits.models import GuessCounter
from app.policy import odds
from app.sessions import rules
from app.sessions.service import Started
from security import passwords, totp
from security.errors import PasswordRefused
from tests.support.house import PASSWORD, House, secret_of

WRONG = "wrong horse battery staple"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Argon2 itself has its tests in security/; here it counts which hashes are looked at."""
    looked_at: list[str] = []

    def check(expected: str, password: str) -> None:
        looked_at.append(expected)
        if password != PASSWORD or expected == passwords.DUMMY_HASH:
            raise PasswordRefused

    monkeypatch.setattr(passwords, "check_password", check)
    return looked_at


def code_of(house: House, login: str = "anna") -> str:
    return totp.code_at(secret_of(login), house.clock())


async def sign_in(
    house: House, login: str = "anna", password: str = PASSWORD, code: str | None = None, **options: Any
) -> Started:
    known = login.strip().casefold()
    credentials = Credentials(login, password, code or code_of(house, known))
    return await service.sign_in(house.services, credentials, **{"kind": rules.API, **options})


async def refused(house: House, **options: Any) -> SignInRefused:
    with pytest.raises(SignInRefused) as caught:
        await sign_in(house, **options)
    return caught.value


def reasons(leaves: list[dict[str, Any]]) -> list[str]:
    return [leaf["data"]["reason"] for leaf in leaves]


async def test_password_and_code_give_a_token_with_the_roles_scopes(house: House) -> None:
    started = await sign_in(house, " Anna ")
    assert started.session.kind == rules.API
    assert started.session.scopes.split() == ["cases:read", "cases:work", "replies:publish", "rooms:talk"]
    assert started.session.expires_at == house.clock() + timedelta(hours=8)
    [leaf] = await house.leaves("staff.signed_in")
    assert leaf["data"] == {"means": "api", "session": str(started.session.id)}


async def test_every_wrong_thing_gets_the_same_answer(house: House, quick_passwords: list[str]) -> None:
    wrong_code = f"{(int(code_of(house)) + 1) % 10**8:08d}"
    answers = [
        await refused(house, login="nobody"),
        await refused(house, password=WRONG),
        await refused(house, code=wrong_code),
        await refused(house, login="nobody", password=WRONG, code=wrong_code),
    ]
    assert {(one.status, one.code, one.message, str(one.details())) for one in answers} == {
        (401, "sign_in_refused", SignInRefused.message, "{}")
    }
    assert len(quick_passwords) == 4
    assert quick_passwords[0] == passwords.DUMMY_HASH
    assert {row.today for row in await house.all(GuessCounter)} == {2}


async def test_a_refusal_of_a_known_account_has_a_leaf_and_an_unknown_name_is_in_no_leaf(house: House) -> None:
    await refused(house, login="canarino")
    assert await house.leaves("staff.refused") == []
    await refused(house, password=WRONG)
    await refused(house, code="00000000")
    assert reasons(await house.leaves("staff.refused")) == ["password", "code"]


async def test_a_password_does_not_grow_old(house: House) -> None:
    house.clock.pass_by(days=1000)
    await sign_in(house)


async def test_who_leaves_while_the_password_is_looked_at_does_not_come_in(house: House) -> None:
    anna = house.staff["anna"]
    async with transaction(house.services) as db:
        await service.deactivate(db, SYSTEM, anna.id, "left")
        coming = asyncio.create_task(sign_in(house))
        await asyncio.sleep(0.3)
    with pytest.raises(SignInRefused):
        await coming
    assert await house.leaves("staff.signed_in") == []


async def test_a_code_works_once(house: House) -> None:
    await sign_in(house)
    await refused(house)
    house.clock.pass_by(seconds=30)
    await sign_in(house)


async def test_of_many_with_the_same_code_one_gets_in(house: House) -> None:
    outcomes = await asyncio.gather(*(sign_in(house) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["SignInRefused"] * 7 + ["Started"]


async def test_the_fifth_wrong_try_locks_even_for_the_right_one(house: House) -> None:
    for _ in range(5):
        await refused(house, password=WRONG)
    await refused(house)
    assert reasons(await house.leaves("staff.refused"))[-1] == "locked"
    house.clock.pass_by(seconds=59)
    await refused(house)
    house.clock.pass_by(seconds=2)
    await sign_in(house)


async def test_an_unknown_name_is_locked_in_the_same_way(house: House) -> None:
    for _ in range(7):
        await refused(house, login="nobody")
    counts = {row.today for row in await house.all(GuessCounter)}
    assert counts == {5}


async def test_tries_while_locked_do_not_lengthen_the_lock(house: House) -> None:
    for _ in range(40):
        await refused(house, password=WRONG)
    house.clock.pass_by(minutes=1)
    await sign_in(house)


async def test_of_a_hundred_guesses_at_once_five_are_evaluated(house: House) -> None:
    """The right code is among them, behind the fifth: who knows the password must not reach it by haste."""
    right = code_of(house)
    guesses = [f"{(int(right) + 1 + number) % 10**8:08d}" for number in range(30)]
    outcomes = await asyncio.gather(*(refused(house, code=one) for one in guesses))
    assert len(outcomes) == 30
    evaluated = [one for one in reasons(await house.leaves("staff.refused")) if one == "code"]
    assert len(evaluated) == 5
    await refused(house)


async def test_who_has_the_password_has_thirty_wrong_codes_a_month_whatever_comes_in_between(house: House) -> None:
    await sign_in(house)
    for number in range(service.WRONG_CODES.limit):
        house.clock.pass_by(minutes=40)
        wrong = f"{(int(code_of(house)) + 1) % 10**8:08d}"
        await refused(house, code=wrong)
        if number == 3:
            house.clock.pass_by(minutes=1)
            await sign_in(house)
    house.clock.pass_by(minutes=40)
    evaluated = reasons(await house.leaves("staff.refused")).count("code")
    assert evaluated == service.WRONG_CODES.limit
    await refused(house)
    assert reasons(await house.leaves("staff.refused"))[-1] == "locked"
    await sign_in(house, "bruno")
    house.clock.pass_by(days=1)
    await sign_in(house)
    assert odds.in_a_year(service.WRONG_CODES) * totp.ACCEPTED_STEPS / 10**totp.DIGITS < 1e-5


async def test_wrong_passwords_use_up_nobodys_codes(house: House) -> None:
    for _ in range(service.WRONG_CODES.limit + 5):
        await refused(house, password=WRONG)
        house.clock.pass_by(minutes=31)
    await sign_in(house)


async def test_a_leaver_is_out_at_once_everywhere(house: House) -> None:
    tokens = [await sign_in(house), await sign_in(house, "bruno")]
    async with served(house) as client:
        for started, status in zip(tokens, (200, 200), strict=True):
            assert (await client.get("/api/v1/staff/me", headers=bearer(started))).status_code == status
        await house.act(lambda db: service.deactivate(db, house.ada, house.anna.id, "left"))
        for started, status in zip(tokens, (401, 200), strict=True):
            assert (await client.get("/api/v1/staff/me", headers=bearer(started))).status_code == status
    house.clock.pass_by(minutes=1)
    await refused(house)
    [leaf] = await house.leaves("staff.deactivated")
    assert leaf["actor"]["id"] == str(house.ada.id)


async def test_a_leaver_is_nobody_though_the_session_row_were_alive(house: House) -> None:
    await house.act(lambda db: service.deactivate(db, house.ada, house.anna.id, "left"))
    async with reading(house.services) as db:
        assert await queries.account(db, house.anna.id) is None
        assert house.anna.id not in [one.id for one in await queries.desk(db)]
        with pytest.raises(NotFound):
            await queries.desk_member(db, house.anna.id)
        assert (await queries.names(db))[house.anna.id] == "Anna"


@pytest.mark.parametrize("login", ["anna", "sara", "olga"])
async def test_only_an_administrator_adds_and_ends_accounts(house: House, login: str) -> None:
    actor: Staff = house.staff[login]
    new = NewStaff("eva", "Eva", "E.", Role.ADMINISTRATOR)
    with pytest.raises(Forbidden):
        await house.act(lambda db: service.add(db, actor, new, PASSWORD))
    with pytest.raises(Forbidden):
        await house.act(lambda db: service.deactivate(db, actor, house.ada.id, "x"))
    async with reading(house.services) as db:
        with pytest.raises(Forbidden):
            await queries.all_accounts(db, actor)
        assert len(await queries.all_accounts(db, house.ada)) == 6


async def test_names_are_taken_once_and_passwords_are_long(house: House) -> None:
    with pytest.raises(LoginTaken):
        await house.act(lambda db: service.add(db, house.ada, NewStaff(" ANNA ", "A", "A", Role.AGENT), PASSWORD))
    with pytest.raises(WeakPassword):
        await house.act(lambda db: service.add(db, house.ada, NewStaff("eva", "E", "E", Role.AGENT), "x" * 14))
    with pytest.raises(NotFound):
        await house.act(lambda db: service.deactivate(db, house.ada, house.anna.session_id, "x"))


async def test_secrets_of_staff_are_sealed_or_hashed(house: House) -> None:
    for row in await house.all(StaffAccount):
        assert secret_of(row.login).reveal() not in row.sealed_totp
        assert row.password_hash.startswith("$argon2id$")
        assert PASSWORD not in row.password_hash
    credentials = Credentials("anna", PASSWORD, "12345678")
    assert PASSWORD not in repr(credentials)
    assert "12345678" not in repr(credentials)


@asynccontextmanager
async def served(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.state.services = house.services
    app.include_router(router)
    install_problem_handlers(app)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://staff.example") as client:
        yield client


def bearer(started: Started) -> dict[str, str]:
    return {"Authorization": f"Bearer {started.token}"}


async def test_a_token_by_the_api_lives_as_long_as_asked_and_ends_when_told(house: House) -> None:
    body = {"login": "anna", "password": PASSWORD, "code": code_of(house), "lifetime_minutes": 30}
    async with served(house) as client:
        made = await client.post("/api/v1/tokens", json=body)
        assert made.status_code == 201
        answer = made.json()
        assert answer["expires_at"] == (house.clock() + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
        header = {"Authorization": f"Bearer {answer['token']}"}
        me = await client.get("/api/v1/staff/me", headers=header)
        assert (me.json()["login"], answer["role"]) == ("anna", "agent")
        assert {one["login"] for one in (await client.get("/api/v1/staff", headers=header)).json()} == {
            "anna",
            "bruno",
            "sara",
            "silvio",
        }
        assert (await client.delete("/api/v1/tokens/current", headers=header)).status_code == 204
        assert (await client.get("/api/v1/staff/me", headers=header)).status_code == 401
    assert len(await house.leaves("staff.signed_out")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"lifetime_minutes": 481},
        {"lifetime_minutes": 0},
        {"code": "1234567"},
        {"password": ""},
        {"login": ""},
        {"login": {"$ne": ""}},
        {"scopes": ["agents:manage"]},
    ],
    ids=repr,
)
async def test_a_wrong_request_for_a_token_is_422_and_counts_nothing(house: House, change: dict[str, Any]) -> None:
    body = {"login": "anna", "password": PASSWORD, "code": code_of(house), **change}
    async with served(house) as client:
        answer = await client.post("/api/v1/tokens", json=body)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert await house.all(GuessCounter) == []
