"""In a real browser: out to a wallet on the same device, back into the room at level 4; another browser gets nothing."""

from __future__ import annotations

import re

from playwright.async_api import expect

from app.demo import cast
from app.demo.bank import DemoBank
from tests.journeys.people import Customer, Open, slug_of
from tests.support.wallet import NUMBER
from tests.support.wallet_site import open_wallet


async def test_a_wallet_on_the_same_device_opens_the_room_and_another_browser_gets_nothing(
    demo: DemoBank, open_visit: Open
) -> None:
    async with open_wallet(demo) as wallet:
        slug = await slug_of(demo, cast.GIULIA.handle)
        giulia = Customer(demo, await open_visit(width=360, locale="it-IT"), javascript=True)
        await giulia.begin(slug)
        await giulia.sign_in_at_square(slug, "@giulia", cast.GIULIA.square_id)
        await giulia.look("customer")
        await giulia.press("button[name=method][value='identity:wallet']")
        await giulia.look("leaving for the wallet")
        await giulia.press("main a.button[href^='http']")
        await expect(giulia.page.locator("p")).to_contain_text(f"x509_san_dns:bank.localhost: {NUMBER}")
        await giulia.press("form button")
        await expect(giulia.page).to_have_url(re.compile(f"/c/{slug}/confirm$"))
        await giulia.look("confirm")

        stranger = Customer(demo, await open_visit(width=360, locale="it-IT"), javascript=True)
        await stranger.page.goto(wallet.last)
        stranger.refused_with(403)
        await stranger.look("refused elsewhere")
        await expect(stranger.page.locator("h1")).to_contain_text("non può concludersi qui")
        assert wallet.number not in await stranger.page.content()

        await giulia.page.locator("input[name=accept]").check()
        await giulia.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
        await expect(giulia.page).to_have_url(re.compile("/room$"))
        await giulia.look("room at level 4")
        assert giulia.visit.problems == []
