"""In a real browser: what a stranger's post can do on the desk, and the way out to a real server's form and back."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import expect

from app.demo import cast
from app.demo.network import TownNetwork
from app.demo.running import free_addresses, running_demo
from tests.journeys.people import Agent, Customer, Open, slug_of
from tests.support.snac import Fediverse, crossed

NAME = "<img src=x onerror=alert(4)>Giulia"
MARKUP = "<script>alert(1)</script><b onmouseover=alert(2)>due</b> volte? <img src=x onerror=alert(3)> &lt;u&gt;ecco"


async def test_a_post_is_words_on_the_desk_and_its_author_comes_back_from_her_own_server(
    fediverse: Fediverse, open_visit: Open, tmp_path: Path
) -> None:
    bank, giulia = await fediverse.bank(), await fediverse.person()
    await giulia.rename(NAME)
    await giulia.post(f"@{bank.handle} {MARKUP}")
    await crossed(lambda: bank.statuses_with("ecco"))
    network = TownNetwork(
        address=giulia.server,
        hosts=fediverse.pair.http_hosts,
        connect=lambda outbound: fediverse.connector(bank, outbound),
        profile=lambda person: f"{giulia.server}/{person.handle}",
    )
    (tmp_path / "bank").mkdir(mode=0o700)
    async with running_demo(tmp_path / "bank", free_addresses(None), founding=lambda *_: network) as demo:
        anna = Agent(demo, await open_visit(width=1280, locale="en-GB"), javascript=True)
        await anna.sign_in(cast.ANNA)
        slug = await slug_of(demo, giulia.handle)
        await anna.open_case(f"@{giulia.handle}")
        await expect(anna.page.locator("main")).to_contain_text("due volte?")
        await expect(anna.page.locator("main")).to_contain_text("<u>ecco")
        await expect(anna.page.locator("main :is(img, u, b[onmouseover], script:not([src]))")).to_have_count(0)
        assert anna.visit.problems == []

        customer = Customer(demo, await open_visit(width=360, locale="en-GB"), javascript=True)
        await customer.go("bank", f"/c/{slug}")
        await customer.press(f"form[action='/c/{slug}/start'] button")
        await customer.page.locator("#account").fill(f"@{giulia.handle}")
        await customer.page.locator("input[name=method][value=sign_in]").check()
        await customer.press(f"form[action='/c/{slug}/handle'] button[type=submit]")
        await customer.press(f"main a.button[href^='{giulia.server}/']")
        await customer.page.locator("input[name=login]").fill(giulia.name)
        await customer.page.locator("input[name=passwd]").fill(giulia.password)
        await customer.press("input[type=submit]")
        await expect(customer.page).to_have_url(re.compile(f"/c/{slug}/customer$"))
        await expect(customer.page.locator("main")).to_contain_text(f"@{giulia.handle} at Mastodon is yours.")
        assert not any("bank.localhost" in problem for problem in customer.visit.problems)
