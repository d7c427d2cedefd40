"""Each way to prove a customer, in a real Chromium at 360 px: from the case link into the room, and back another day.

What is refused on these ways stands in one table, tests/attacks/test_refused_ways.py, and is looked at in a browser in
test_refused_in_chromium.py; a step-up by passkey, and a relay page that asks for one, in test_passkeys_in_chromium.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.demo.running import free_addresses, running_demo
from app.services import system_clock
from tests.journeys.people import Customer, Open, slug_of
from tests.journeys.ways import AT_SPID, GIULIA, WAYS, Ground, Way, by_kyc, every_provider
from tests.support.openid import OpenIdTown

SAID = "Buongiorno, di nuovo per il bollo addebitato due volte."
LOCALES = ("it-IT", "en-GB")


class Ahead:
    """The time that it is, or later."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def __call__(self) -> datetime:
        return system_clock() + self.by

    def passes(self, time: timedelta) -> None:
        self.by += time


@asynccontextmanager
async def grounds(folder: Path, openid: OpenIdTown, fiscal_code: str) -> AsyncIterator[Ground]:
    """A demonstration whose time passes as a way needs it."""
    clock = Ahead()
    async with (
        running_demo(folder, free_addresses(None), clock=clock) as demo,
        every_provider(demo, openid, fiscal_code=fiscal_code) as made,
    ):
        made.passes = clock.passes
        yield made


async def into_the_room(person: Customer, slug: str) -> None:
    """From the page that says what will be linked."""
    await expect(person.page).to_have_url(re.compile(f"/c/{slug}/confirm$"))
    await person.look("confirm")
    await person.page.locator("input[name=accept]").check()
    await person.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
    await expect(person.page).to_have_url(re.compile("/room$"))


async def at_the_customer_step(ground: Ground, open_visit: Open, slug: str, locale: str) -> Customer:
    """A browser that was never here, its account proved."""
    person = Customer(ground.demo, await open_visit(width=360, locale=locale), javascript=True, thorough=False)
    await person.begin(slug)
    await person.sign_in_at_square(slug, f"@{GIULIA.handle}", GIULIA.square_id)
    await expect(person.page).to_have_url(re.compile(f"/c/{slug}/customer$"))
    return person


@pytest.mark.parametrize(("number", "name"), list(enumerate(WAYS)), ids=list(WAYS))
async def test_each_way_leads_from_the_link_into_the_room_and_back(
    tmp_path: Path, openid: OpenIdTown, open_visit: Open, number: int, name: str
) -> None:
    (folder := tmp_path / "demo").mkdir(mode=0o700)
    async with grounds(folder, openid, GIULIA.fiscal_code if name == "demo's digital identity" else AT_SPID) as ground:
        await there_and_back(ground, open_visit, WAYS[name], LOCALES if number % 2 else LOCALES[::-1])


async def there_and_back(ground: Ground, open_visit: Open, way: Way, locales: Sequence[str]) -> None:
    """What a way needs is made in the room, which something else opened then. Another day it is the only proof."""
    slug = await slug_of(ground.demo, GIULIA.handle)
    first = await at_the_customer_step(ground, open_visit, slug, locales[0])
    first.thorough = True
    await first.look("customer")
    await (by_kyc if way.enrol else way.prove)(first, slug, ground)
    await into_the_room(first, slug)
    await first.say(SAID)
    if way.enrol:
        await way.enrol(first, ground)
    # its stream would lead the page on by itself once the other browser is in
    await first.go("bank", "/verify")

    again = await at_the_customer_step(ground, open_visit, slug, locales[1])
    await way.prove(again, slug, ground)
    await into_the_room(again, slug)
    await expect(again.page.locator(f".meter-{way.level}")).to_have_count(1)
    again.thorough = True
    await again.look("room")
    # at level 2 nothing that was written before is shown
    assert (SAID in await again.page.locator("[data-messages]").inner_text()) is (way.level > 2)
    await first.page.goto(first.address("bank", "/room"))
    first.refused_with(401)
    await expect(first.page.locator("[data-messages]")).to_have_count(0)
    assert first.visit.problems == again.visit.problems == []
