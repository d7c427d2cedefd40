"""What a real browser shows, and keeps, where a return from a sign-in must not count; two people, each with a browser.

The table of all ways and attacks is played over HTTP (tests/attacks/test_refused_ways.py). Here cookies, redirects and
tabs are Chromium's own: at the network, and at a certified OpenID Provider in the manner of a bank's login.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from app.demo import cast
from tests.attacks.redirect_attacks import changed
from tests.journeys.people import Customer, Open, slug_of
from tests.journeys.test_passkeys_in_chromium import reasons
from tests.journeys.test_ways_in_chromium import at_the_customer_step, grounds
from tests.journeys.ways import AT_SPID, GIULIA, Ground
from tests.support.openid import OpenIdTown

LEAVE: Final = "main a.button[href^='http']"
BANK_LOGIN: Final = "identity:banklogin"
HELD: Final = b"<!DOCTYPE html><link rel=icon href=data:,><title>Held back</title><p>held back"


@dataclass
class Scene:
    """The demonstration, Giulia's case link, and browsers."""

    ground: Ground
    open_visit: Open
    slug: str

    async def newcomer(self) -> Customer:
        """At the link's first step."""
        visit = await self.open_visit(width=360, locale="it-IT")
        person = Customer(self.ground.demo, visit, javascript=True, thorough=False)
        await person.begin(self.slug)
        return person

    async def with_handle(self) -> Customer:
        """Giulia's account is proved."""
        return await at_the_customer_step(self.ground, self.open_visit, self.slug, "it-IT")

    async def leaving(self, person: Customer) -> str:
        """On our page with the link to the bank's login; gives the link."""
        await person.page.goto(person.address("bank", f"/c/{self.slug}/customer"))
        await person.press(f"form[action='/c/{self.slug}/customer'] button[value='{BANK_LOGIN}']")
        return await person.page.locator(LEAVE).get_attribute("href") or ""

    async def returning(self) -> tuple[Customer, str]:
        """A browser that has left, and the address that the provider sends it to, not opened yet."""
        person = await self.with_handle()
        link = await self.leaving(person)
        return person, await approved(person.page, link)


@pytest.fixture
async def scene(tmp_path: Path, openid: OpenIdTown, open_visit: Open) -> AsyncIterator[Scene]:
    (folder := tmp_path / "demo").mkdir(mode=0o700)
    async with grounds(folder, openid, AT_SPID) as ground:
        yield Scene(ground, open_visit, await slug_of(ground.demo, GIULIA.handle))


async def approved(page: Page, link: str) -> str:
    """Sign in as Giulia at the provider, from this link; gives the address that it sends the browser to."""
    async with held_back(page) as addresses:
        await page.goto(link)
        await page.get_by_label("Who").fill("giulia")
        await page.locator("form button").first.click()
        await expect(page.locator("body")).to_have_text("held back")
    [address] = addresses
    return address


@asynccontextmanager
async def held_back(page: Page) -> AsyncIterator[list[str]]:
    """Addresses of ours that a provider sends this tab to, kept instead of opened.

    By the browser's own protocol: playwright's routes do not see where a redirect leads.
    """
    addresses: list[str] = []
    protocol = await page.context.new_cdp_session(page)

    async def keep(paused: dict[str, Any]) -> None:
        addresses.append(paused["request"]["url"])
        answer = {"requestId": paused["requestId"], "responseCode": 200, "body": base64.b64encode(HELD).decode()}
        await protocol.send("Fetch.fulfillRequest", answer)

    protocol.on("Fetch.requestPaused", keep)
    await protocol.send("Fetch.enable", {"patterns": [{"urlPattern": "*//bank.localhost*/callback?*"}]})
    try:
        yield addresses
    finally:
        await protocol.detach()


async def refused(person: Customer, address: str) -> str:
    """What the browser shows for this address; the same for whom it is."""
    await person.page.goto(address)
    person.refused_with(403)
    await expect(person.page.locator("h1")).to_contain_text("non può concludersi qui")
    words = await person.page.locator("body").inner_text()
    assert re.search(r"giulia|marco|bollo|C-10\d\d", words, re.IGNORECASE) is None
    assert person.visit.problems == []
    return words


async def in_a_foreign_browser(scene: Scene) -> list[str]:
    """And her own browser, which comes too late then."""
    person, address = await scene.returning()
    other = await scene.with_handle()
    return [await refused(other, address), await refused(person, address)]


async def replayed(scene: Scene) -> list[str]:
    person, address = await scene.returning()
    await person.page.goto(address)
    await expect(person.page).to_have_url(re.compile(f"/c/{scene.slug}/confirm$"))
    return [await refused(person, address)]


async def with_another_issuer(scene: Scene) -> list[str]:
    person, address = await scene.returning()
    return [await refused(person, changed(address, iss="http://attacker.localhost"))]


async def at_another_providers_address(scene: Scene) -> list[str]:
    person, address = await scene.returning()
    return [await refused(person, changed(address, path="/identity/spid/callback"))]


async def too_late(scene: Scene) -> list[str]:
    person, address = await scene.returning()
    scene.ground.passes(timedelta(minutes=11))
    return [await refused(person, address)]


async def in_the_older_of_two_tabs(scene: Scene) -> list[str]:
    """The newer one's still counts."""
    person, older = await scene.returning()
    tab = await person.visit.context.new_page()
    await tab.goto(person.address("bank", f"/c/{scene.slug}/customer"))
    await tab.locator(f"form[action='/c/{scene.slug}/customer'] button[value='{BANK_LOGIN}']").click()
    newer = await approved(tab, await tab.locator(LEAVE).get_attribute("href") or "")
    words = await refused(person, older)
    await tab.goto(newer)
    await expect(tab).to_have_url(re.compile(f"/c/{scene.slug}/confirm$"))
    return [words]


async def finished_by_the_victim(scene: Scene) -> list[str]:
    """The attacker leaves, Giulia approves what he sends her, and neither of the two is anywhere by it."""
    attacker = await scene.with_handle()
    link = await scene.leaving(attacker)
    victim = await scene.with_handle()
    address = await approved(victim.page, link)
    return [await refused(victim, address), await refused(attacker, address)]


async def by_another_account_of_the_network(scene: Scene) -> list[str]:
    """Luca signs in as himself where Giulia's account is asked for."""
    person = await scene.newcomer()
    async with held_back(person.page) as addresses:
        await person.sign_in_at_square(scene.slug, f"@{GIULIA.handle}", cast.MALLORY.square_id)
        await expect(person.page.locator("body")).to_have_text("held back")
    return [await refused(person, addresses[0])]


ATTACKS: Final[dict[Callable[[Scene], Awaitable[list[str]]], list[str]]] = {
    in_a_foreign_browser: ["foreign_browser", "replayed"],
    replayed: ["replayed"],
    with_another_issuer: ["wrong_issuer"],
    at_another_providers_address: ["other_provider"],
    in_the_older_of_two_tabs: ["moved_on"],
    finished_by_the_victim: ["foreign_browser", "replayed"],
    by_another_account_of_the_network: ["other_account"],
    too_late: ["too_late"],
}
"""The last one sets the clock on, and the providers keep theirs."""


async def test_each_is_refused_in_the_same_words_with_a_leaf_that_says_why(scene: Scene) -> None:
    shown = set()
    for attack, why in ATTACKS.items():
        before = len(await reasons(scene.ground.demo))
        shown |= set(await attack(scene))
        assert (await reasons(scene.ground.demo))[before:] == why, attack.__name__
    assert len(shown) == 1
