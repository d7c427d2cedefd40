"""Passwords here are sealed where the bank has its own sign-in, and opened for an emergency with everybody's knowledge."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.actors import Operator
from app.agents import break_glass
from app.agents.ports import LocalSignIn
from app.database import transaction
from app.errors import NotFound
from app.notifications.senders import Senders
from app.notifications.service import claim
from security import totp
from tests.app.sign_on.desk import TELL, Desk
from tests.support.house import PASSWORD, secret_of

ROOT = Operator("root")
HOURS = timedelta(hours=4)


class Mail:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send_mail(self, to: str, subject: str, text: str) -> None:
        assert subject
        self.sent.append((to, text))


def code(desk: Desk, login: str) -> str:
    return totp.code_at(secret_of(login), desk.house.clock())


async def come(desk: Desk, browser: httpx2.AsyncClient, login: str = "ada") -> httpx2.Response:
    form = {"name": login, "password": PASSWORD, "code": code(desk, login)}
    return await browser.post("/signin", data=form, follow_redirects=False)


async def opened(desk: Desk, login: str = "ada", tell: str = TELL) -> None:
    local = LocalSignIn(sealed=True, tell=tell)
    staff_id = desk.house.staff[login].id
    await desk.house.act(
        lambda db: break_glass.unseal(db, ROOT, local, staff_id, lifetime=HOURS, reason="provider_down")
    )


async def test_who_comes_while_it_is_being_closed_does_not_come_in(desk: Desk) -> None:
    await opened(desk)
    async with desk.browser() as browser:
        async with transaction(desk.house.services) as db:
            await break_glass.seal_again(db, ROOT, LocalSignIn(sealed=True, tell=TELL), desk.house.ada.id)
            coming = asyncio.create_task(come(desk, browser))
            await asyncio.sleep(0.5)
        assert (await coming).status_code == 401
        assert not await desk.is_in(browser)


async def notices(desk: Desk) -> list[tuple[str, str]]:
    mail = Mail()
    for work in await claim(desk.house.services):
        if work.topic == break_glass.NOTICE:
            await break_glass.deliver(desk.house.services, Senders(None, mail), "en", work)
    return mail.sent


async def test_a_right_password_opens_nothing_while_it_is_sealed_and_nobody_learns_that(desk: Desk) -> None:
    async with desk.browser() as browser:
        sealed = await come(desk, browser)
        wrong = await browser.post("/signin", data={"name": "ada", "password": "wrong", "code": "12345678"})
        assert (sealed.status_code, wrong.status_code) == (401, 401)
        token = {"login": "ada", "password": PASSWORD, "code": code(desk, "ada")}
        assert (await browser.post("/api/v1/tokens", json=token)).json()["code"] == "sign_in_refused"
        assert not await desk.is_in(browser)
    assert await desk.reasons() == ["sealed", "password", "sealed"]


async def test_an_opened_one_works_until_its_time_and_compliance_hears_of_it(desk: Desk) -> None:
    await opened(desk)
    async with desk.browser() as browser:
        assert (await come(desk, browser)).status_code == 303
        assert await desk.is_in(browser)
        desk.house.clock.pass_by(minutes=10)
        assert (await come(desk, browser, "bruno")).status_code == 401
    [use] = await desk.house.leaves("break_glass.used")
    assert use["actor"]["id"] == str(desk.house.ada.id)
    [begun] = await desk.house.leaves("break_glass.opened")
    assert (begun["actor"], begun["data"]["reason"]) == ({"k": "operator", "id": "root"}, "provider_down")
    told = await notices(desk)
    assert [to for to, _ in told] == [TELL, TELL]
    assert all("ada" in text for _, text in told)
    assert len(await desk.house.leaves("delivery.sent")) == 2
    desk.house.clock.pass_by(hours=4)
    async with desk.browser() as browser:
        assert (await come(desk, browser)).status_code == 401


async def test_sealing_again_ends_its_sessions(desk: Desk) -> None:
    await opened(desk)
    local, ada = LocalSignIn(sealed=True, tell=TELL), desk.house.ada.id
    async with desk.browser() as browser:
        await come(desk, browser)
        await desk.house.act(lambda db: break_glass.seal_again(db, ROOT, local, ada))
        assert not await desk.is_in(browser)
        desk.house.clock.pass_by(minutes=1)
        assert (await come(desk, browser)).status_code == 401
    assert len(await desk.house.leaves("break_glass.closed")) == 1


async def test_without_the_setting_an_opening_is_worth_nothing(desk: Desk) -> None:
    await opened(desk)
    desk.app.state.local_sign_in = LocalSignIn(sealed=True)
    async with desk.browser() as browser:
        assert (await come(desk, browser)).status_code == 401


async def test_only_an_account_with_a_password_can_be_opened(desk: Desk) -> None:
    account_id = await desk.hire("giulia.rossi")
    local = LocalSignIn(sealed=True, tell=TELL)

    async def unseal(db: Any) -> None:
        await break_glass.unseal(db, ROOT, local, account_id, lifetime=HOURS, reason="x")

    with pytest.raises(NotFound):
        await desk.house.act(unseal)
