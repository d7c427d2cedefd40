"""A colleague's first morning in a real browser: from the console to the bank's own sign-in and back, and out again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from tests.app.sign_on.desk import STRONG, Desk, open_desk
from tests.support.chromium import Visit
from tests.support.house import ON_SQLITE, House
from tests.support.openid import OpenIdTown

if TYPE_CHECKING:
    from playwright.async_api import Page

Opened = Callable[..., Coroutine[Any, Any, Visit]]
pytestmark = ON_SQLITE


@pytest.fixture
async def desk(house: House, openid: OpenIdTown) -> AsyncIterator[Desk]:
    """The console, served to browsers."""
    async with open_desk(house, openid, in_a_browser=True) as opened:
        yield opened


async def sign_in(page: Page, account: str) -> None:
    """At the provider's own page, which opens by itself."""
    await page.wait_for_url("**/interaction/**")
    await page.get_by_label("Who").fill(account)
    await page.get_by_label("How").fill(STRONG)
    await page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_joiner_comes_in_works_and_leaves(desk: Desk, open_visit: Opened, javascript: bool) -> None:
    await desk.hire("giulia.rossi")
    visit = await open_visit(locale="en-GB", javascript=javascript)
    page = visit.page
    await page.goto(f"{desk.url}/queue")
    await page.get_by_role("button", name="Sign in with Banca Esempio ID").click()
    await sign_in(page, "giulia")
    await page.wait_for_url("**/queue")
    assert await page.get_by_text("giulia.rossi").count()
    cookies = {one["name"]: one for one in await visit.context.cookies()}
    assert cookies["__Host-riserbo-staff"]["sameSite"] == "Strict"
    assert "__Host-riserbo-sign-on" not in cookies
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/signin")
    assert visit.problems == []


async def test_a_stranger_reads_one_sentence(desk: Desk, open_visit: Opened) -> None:
    visit = await open_visit(locale="en-GB")
    page = visit.page
    await page.goto(f"{desk.url}/signin")
    await page.get_by_role("button", name="Sign in with Banca Esempio ID").click()
    await sign_in(page, "nobody")
    await page.get_by_text("The sign-in did not succeed.").wait_for()
    assert "__Host-riserbo-staff" not in {one["name"] for one in await visit.context.cookies()}
