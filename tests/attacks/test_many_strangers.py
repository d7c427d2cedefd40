"""Thousands of acts of strangers, and then everybody whom they were aimed at still comes in.

A thousand in every run, ten thousand in `make soak`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from app.audit.models import Leaf
from app.binding import sweeping
from app.binding.models import Binding
from app.database import reading
from app.demo.soft_passkey import SYNCED, SoftPasskey
from app.web.browser_cookie import BROWSER_COOKIE
from tests.app.binding.doors import PUBLIC
from tests.app.binding.outside import Clock
from tests.attacks.bank_in_process import BankInProcess, open_bank_in_process
from tests.attacks.strangers import Crowd, at_the_link_of, under_an_own_handle
from tests.support.bare_door import BareBrowser
from tests.support.databases import DatabaseUrls
from tests.support.house import ON_SQLITE
from tests.support.soak import in_every_run_or_soak, keep_figures

pytestmark = ON_SQLITE
ACTS: Final = in_every_run_or_soak(1_000, 10_000)
HOST: Final = PUBLIC.removeprefix("https://")
GIULIA: Final = ("C-1001", "+393330001001", "person1001@posta.example", "C-1001")
MARCO: Final = ("C-1002", "+393330001002", "person1002@posta.example", "C-1002")


@pytest.fixture
async def bank(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[BankInProcess]:
    async with open_bank_in_process(schema_urls, tmp_path, range(1001, 1021), Clock()) as opened:
        yield opened


async def reasons(bank: BankInProcess) -> set[str]:
    """Why codes were withheld."""
    async with reading(bank.house.services) as db:
        leaves = [json.loads(one) for one in (await db.execute(select(Leaf.leaf))).scalars()]
    return {leaf["data"]["reason"] for leaf in leaves if leaf["t"] == "code.withheld"}


async def bindings(bank: BankInProcess) -> list[Any]:
    async with reading(bank.house.services) as db:
        return list((await db.execute(select(Binding).order_by(Binding.id))).scalars())


async def registered(browser: BareBrowser) -> SoftPasskey:
    """A passkey, made in the room."""
    key = SoftPasskey(PUBLIC, HOST, backup=SYNCED)
    question = json.loads((await browser.post("/room/passkeys/question")).body)
    assert (await browser.post("/room/passkeys", {"answer": key.create(question)})).status == 303
    return key


async def one_tap(bank: BankInProcess, path: str, key: SoftPasskey, at_home: BareBrowser) -> None:
    """In the browser that she used before, on another day."""
    browser = bank.browser()
    browser.cookies[BROWSER_COOKIE] = at_home.cookies[BROWSER_COOKIE]
    question = json.loads((await browser.post(f"{path}/passkey/question")).body)
    back = await browser.post(f"{path}/passkey", {"answer": key.get(question)})
    assert back.header("location") == "/room", back.text
    assert (await browser.get("/room")).status == 200


async def unlocked(bank: BankInProcess, browser: BareBrowser) -> None:
    """Back into the idle room by a code to the phone on file."""
    before = len(bank.phone.sms)
    assert (await browser.post("/room/unlock", {"method": "sms"})).status < 400
    await bank.work()
    assert len(bank.phone.sms) == before + 1
    typed = await browser.post("/room/unlock", {"code": bank.last_code()})
    assert typed.header("location") == "/room", typed.text
    assert (await browser.get("/room")).status == 200


async def the_strangers_act(bank: BankInProcess, path: str) -> Crowd:
    crowd = Crowd(bank)
    while crowd.total < ACTS:
        for _ in range(3):
            await crowd.count(at_the_link_of(crowd, path, "@giulia"), ACTS)
        await crowd.count(under_an_own_handle(crowd, GIULIA if crowd.number % 8 else MARCO), ACTS)
    return crowd


async def test_after_thousands_of_acts_of_strangers_a_bound_customer_and_a_first_timer_come_in(
    bank: BankInProcess,
) -> None:
    at_home = bank.browser("198.51.100.7")
    assert (await bank.by_identity("giulia", "C-1001", at_home)).status == 200
    key = await registered(at_home)
    await bank.work()
    path = f"/c/{await bank.complaint('giulia')}"
    crowd = await the_strangers_act(bank, path)
    keep_figures("strangers", acts=crowd.total, strangers=crowd.number, answers=dict(sorted(crowd.answers.items())))
    assert crowd.total >= ACTS
    assert max(crowd.answers) < 500
    assert "closed" in await reasons(bank), "the strangers met no limit"
    assert len(await bindings(bank)) == 1

    assert (await bank.by_sms("giulia", "C-1001", at_home)).status == 200
    bank.clock.pass_by(minutes=16)
    await sweeping.sweep(bank.house.services)
    await unlocked(bank, at_home)
    await one_tap(bank, path, key, at_home)
    assert (await bank.by_identity("marco", "C-1002", bank.browser("192.0.2.7"))).status == 200
    assert len(await bindings(bank)) == 2
