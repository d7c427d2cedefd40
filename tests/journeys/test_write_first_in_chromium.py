"""Where nobody gets unsolicited messages: the customer writes first, and types the code that comes back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.demo import cast
from app.demo.bank import DemoBank
from app.demo.running import free_addresses, running_demo
from app.demo.square_network import square_network
from tests.journeys.people import Customer, Open, slug_of


@pytest.fixture
async def quiet_square(tmp_path: Path) -> AsyncIterator[DemoBank]:
    """The demonstration on a Square that takes no unsolicited messages."""
    folder = tmp_path / "demo"
    folder.mkdir(mode=0o700)
    founding = partial(square_network, accepts_unsolicited=False)
    async with running_demo(folder, free_addresses(None), founding=founding) as bank:
        yield bank


async def test_a_code_comes_back_to_who_wrote_first(quiet_square: DemoBank, open_visit: Open) -> None:
    demo = quiet_square
    slug = await slug_of(demo, cast.GIULIA.handle)
    giulia = Customer(demo, await open_visit(), True)
    await giulia.begin(slug)
    await giulia.page.locator("#account").fill(f"@{cast.GIULIA.handle}")
    await giulia.page.locator("input[name=method][value=direct_message]").check()
    await giulia.press(f"form[action='/c/{slug}/handle'] button[type=submit]")
    await expect(giulia.page).to_have_url(re.compile(f"/c/{slug}/handle/code$"))
    await expect(giulia.page.locator("main ol:not(.steps)")).to_contain_text(f"@{cast.BANK_HANDLE}")
    await giulia.look("write first")
    phone = Customer(demo, await open_visit(), True)
    await phone.go("square", "/sign-in")
    await phone.press(f"button[name=person][value='{cast.GIULIA.square_id}']")
    await phone.go("square", f"/messages/{cast.BANK_ID}")
    await expect(phone.page.locator("main")).not_to_contain_text(re.compile(r"\b\d{8}\b"))
    await phone.page.locator("form.editor textarea").fill("ciao")
    await phone.press("form.editor button[type=submit]")
    code = await code_in_conversation(phone)
    await giulia.page.locator("input[name=code]").fill(code)
    await giulia.press(f"form[action='/c/{slug}/handle/code'] button[type=submit]")
    await expect(giulia.page).to_have_url(re.compile(f"/c/{slug}/customer$"))
    await giulia.look("customer")


async def code_in_conversation(phone: Customer) -> str:
    """Looks again until the bank has answered."""
    for _ in range(60):
        found = re.search(r"\b\d{8}\b", await phone.page.locator("main").inner_text())
        if found is not None:
            return found.group()
        await phone.page.wait_for_timeout(500)
        await phone.page.reload()
    raise AssertionError("no code came back")
