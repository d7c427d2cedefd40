"""A password is changed by who knows it, reset on the host for who does not; either way every session ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.agents import password_changes, service
from app.agents.break_glass import unseal
from app.agents.errors import GuessablePassword, SignInRefused, WeakPassword
from app.agents.ports import UNSEALED, LocalSignIn
from app.agents.service import Credentials
from app.errors import Forbidden, NotFound
from app.sessions import rules
from app.sessions.models import Session
from security import totp
from security.secret import Secret
from tests.app.agents.test_sign_in import WRONG, code_of, served
from tests.support.house import PASSWORD, House, secret_of

NEW = "tqv kr. xmd! hzw pbn"


async def sign_in(house: House, password: str, secret: Secret | None = None, local: LocalSignIn = UNSEALED) -> Any:
    house.clock.pass_by(seconds=30)
    code = totp.code_at(secret or secret_of("anna"), house.clock())
    return await service.sign_in(house.services, Credentials("anna", password, code), kind=rules.API, local=local)


async def change(house: House, password: str = PASSWORD, code: str = "", new: str = NEW, **more: Any) -> None:
    house.clock.pass_by(seconds=30)
    await password_changes.change(house.services, Credentials("anna", password, code or code_of(house)), new, **more)


async def live(house: House) -> int:
    sessions = [one for one in await house.all(Session) if one.staff_id == house.anna.id]
    return sum(one.ended_at is None for one in sessions)


async def test_who_knows_the_old_password_and_a_code_changes_it(house: House) -> None:
    await sign_in(house, PASSWORD)
    house.clock.pass_by(seconds=30)
    body = {"login": " Anna ", "password": PASSWORD, "code": code_of(house), "new_password": NEW}
    async with served(house) as client:
        assert (await client.post("/api/v1/password", json=body)).status_code == 204
    assert await live(house) == 0
    with pytest.raises(SignInRefused):
        await sign_in(house, PASSWORD)
    assert await sign_in(house, NEW)
    [leaf] = await house.leaves("staff.password_changed")
    assert (leaf["actor"]["id"], leaf["data"]) == (str(house.anna.id), {})


async def test_a_change_needs_password_and_code_and_counts_like_a_sign_in(house: House) -> None:
    for number in range(5):
        with pytest.raises(SignInRefused):
            await change(house, **({"password": WRONG} if number % 2 else {"code": "00000000"}))
    with pytest.raises(SignInRefused):
        await change(house)
    house.clock.pass_by(minutes=1)
    assert await sign_in(house, PASSWORD)
    assert await house.leaves("staff.password_changed") == []


async def test_a_code_that_signed_in_changes_nothing(house: House) -> None:
    await sign_in(house, PASSWORD)
    with pytest.raises(SignInRefused):
        await password_changes.change(house.services, Credentials("anna", PASSWORD, code_of(house)), NEW)


@pytest.mark.parametrize(
    ("new", "refusal"),
    [("short", WeakPassword), ("passwordpassword", GuessablePassword), ("Banca Esempio 2026", GuessablePassword),
     ("anna anna 1984 x", GuessablePassword)],
)  # fmt: skip
async def test_the_new_one_must_be_good(house: House, new: str, refusal: type[WeakPassword]) -> None:
    with pytest.raises(refusal):
        await change(house, new=new, local=LocalSignIn(words=("Banca Esempio",)))
    assert await sign_in(house, PASSWORD)


async def test_where_passwords_are_sealed_none_is_changed_not_even_an_open_one(house: House) -> None:
    sealed = LocalSignIn(sealed=True, tell="compliance@bank.example")
    with pytest.raises(SignInRefused):
        await change(house, local=sealed)
    hour = timedelta(hours=1)
    await house.act(lambda db: unseal(db, house.ada, sealed, house.anna.id, lifetime=hour, reason="provider_down"))
    with pytest.raises(SignInRefused):
        await change(house, local=sealed)
    assert await sign_in(house, PASSWORD, local=sealed)


async def test_whoever_resets_the_account_meanwhile_has_the_last_word(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    async def reset_after(*given: Any, **named: Any) -> Any:
        started = await signs_in(*given, **named)
        made.append(await house.act(lambda db: password_changes.reset(db, house.ada, house.anna.id)))
        return started

    signs_in = service.sign_in
    monkeypatch.setattr("app.agents.password_changes.service.sign_in", reset_after)
    with pytest.raises(SignInRefused):
        await change(house)
    monkeypatch.setattr("app.agents.password_changes.service.sign_in", signs_in)
    with pytest.raises(SignInRefused):
        await sign_in(house, NEW, made[0][1])
    assert await sign_in(house, *made[0])
    assert await house.leaves("staff.password_changed") == []


async def test_a_reset_makes_password_and_authenticator_and_ends_every_session(house: House) -> None:
    await sign_in(house, PASSWORD)
    password, secret = await house.act(lambda db: password_changes.reset(db, house.ada, house.anna.id))
    assert await live(house) == 0
    for tried, held in ((PASSWORD, secret), (password, secret_of("anna"))):
        with pytest.raises(SignInRefused):
            await sign_in(house, tried, held)
    assert await sign_in(house, password, secret)
    [leaf] = await house.leaves("staff.reset")
    assert (leaf["actor"]["id"], leaf["data"]) == (str(house.ada.id), {})


async def test_only_an_administrator_resets_and_only_what_has_a_password(house: House) -> None:
    with pytest.raises(Forbidden):
        await house.act(lambda db: password_changes.reset(db, house.sara, house.anna.id))
    await house.act(lambda db: service.deactivate(db, house.ada, house.anna.id, "left"))
    for nobody in (house.anna.id, house.anna.session_id):
        with pytest.raises(NotFound):
            await house.act(lambda db, who=nobody: password_changes.reset(db, house.ada, who))
