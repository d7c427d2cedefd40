"""In a real Chromium a customer looks at the link, takes a receipt that verifies offline, and undoes the link."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import expect

from app.demo import cast
from app.demo.bank import DemoBank
from tests.app.compliance.archive import verify
from tests.journeys.people import Customer, Open, slug_of

ROUND = [("it-IT", True, 360), ("en-GB", False, 360), ("en-GB", True, 1280), ("it-IT", False, 1280)]
SAID = "Buongiorno, parlo del bollo addebitato due volte."


@pytest.mark.parametrize("window", ROUND)
async def test_a_customer_looks_at_the_link_keeps_a_receipt_and_undoes_it(
    demo: DemoBank, open_visit: Open, tmp_path: Path, window: tuple[str, bool, int]
) -> None:
    locale, javascript, width = window
    slug = await slug_of(demo, cast.GIULIA.handle)
    giulia = Customer(demo, await open_visit(width=width, locale=locale, javascript=javascript), javascript)
    await giulia.begin(slug)
    await giulia.sign_in_at_square(slug, "@giulia", cast.GIULIA.square_id)
    await giulia.prove_by_sms(slug, cast.GIULIA.customer_number, cast.GIULIA.phone)
    await giulia.say(SAID)

    await giulia.page.locator("details.facts-box summary").first.click()
    await giulia.press("a[href='/room/binding']")
    await giulia.look("own view")
    await expect(giulia.page.locator("main")).to_contain_text(f"@{cast.GIULIA.handle}")
    for name in (cast.GIULIA.customer_number, cast.GIULIA.phone, cast.ANNA.name):
        assert name not in await giulia.page.content()

    async with giulia.page.expect_download() as waiting:
        await giulia.page.locator("form[action='/room/receipt'] button").click()
    receipt = tmp_path / (await waiting.value).suggested_filename
    await (await waiting.value).save_as(receipt)
    assert re.fullmatch(r"riserbo-receipt-[0-9a-f-]{36}\.zip", receipt.name)
    report = verify(receipt, await _trust(demo, tmp_path))
    assert report["problems"] == []
    assert SAID.encode() in receipt.read_bytes()

    await giulia.press("form[action='/room/binding/revoke'] button")
    assert giulia.visit.problems == []
    await expect(giulia.page.locator("h1")).to_contain_text(
        "Questo collegamento è stato annullato" if locale == "it-IT" else "This link has been undone"
    )
    await giulia.page.goto(giulia.address("bank", "/room"))
    assert SAID not in await giulia.page.content()


async def _trust(demo: DemoBank, folder: Path) -> Path:
    """The keys from the bank's site, as anybody fetches them."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"http://127.0.0.1:{demo.addresses.ports['bank']}/trust.json",
            headers={"Host": demo.addresses.netloc("bank")},
        )
    document = answer.json()
    assert document["newest_checkpoint"] is None
    trust = folder / "outside" / "trust.json"
    trust.parent.mkdir()
    trust.write_text(json.dumps(document))
    return trust
