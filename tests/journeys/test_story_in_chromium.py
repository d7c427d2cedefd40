"""The story in a real Chromium: customer at 360 px, agent at 1280 px, in both languages, with and without JavaScript."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from app.demo import cast
from app.demo.bank import DemoBank
from tests.journeys.people import Agent, Customer, Open, slug_of

ROUND = [("it-IT", True), ("it-IT", False), ("en-GB", True), ("en-GB", False)]


@pytest.mark.parametrize(("locale", "javascript"), ROUND)
async def test_a_public_complaint_becomes_a_private_verified_conversation(
    demo: DemoBank, open_visit: Open, locale: str, javascript: bool
) -> None:
    anna = Agent(demo, await open_visit(width=1280, locale=locale, javascript=javascript), javascript)
    await anna.sign_in(cast.ANNA)
    await expect(anna.page).to_have_url(re.compile("/queue"))
    slug = await slug_of(demo, cast.GIULIA.handle)
    await anna.go("staff", "/queue")
    await anna.look("queue")
    await anna.open_case(f"@{cast.GIULIA.handle}")
    await anna.look("case")
    await anna.press("form[action$='/claim'] button")
    await anna.reply("Il suo conto IT60X0542811101000000123456 mostra due addebiti.")
    anna.refused_with(422)
    await anna.look("blocked reply")
    assert "IT60" not in await _thread_text(demo)
    await anna.reply("Ciao Giulia, ci dispiace. Continuiamo in privato dal link qui sotto.")
    for _ in range(60):
        if slug in await _thread_text(demo):
            break
        await asyncio.sleep(0.2)
    assert slug in await _thread_text(demo)

    giulia = Customer(demo, await open_visit(width=360, locale=locale, javascript=javascript), javascript)
    await giulia.begin(slug)
    await giulia.sign_in_at_square(slug, "@giulia", cast.GIULIA.square_id)
    await giulia.prove_by_sms(slug, cast.GIULIA.customer_number, cast.GIULIA.phone)
    await giulia.say("Buongiorno, parlo del bollo addebitato due volte.")

    await anna.page.reload()
    await anna.expect_message("parlo del bollo")
    await anna.look("case with room")
    await anna.say("Controllo subito, un momento.", "case")
    await giulia.expect_message("Controllo subito")
    await anna.say("Il bollo del 3 novembre è un doppione, lo storniamo.", "account")
    await _held(giulia)
    assert "doppione" not in await giulia.page.content()
    await giulia.look("room with a waiting answer")
    await giulia.step_up(cast.GIULIA.customer_number)
    await expect(giulia.page).to_have_url(re.compile("/room"))
    await giulia.expect_message("doppione")
    await giulia.look("room at level 3")
    assert "Controllo subito" in await giulia.page.content()

    await anna.page.reload()
    await anna.page.locator("details:has(form[action$='/close']) summary").click()
    await anna.page.locator("form[action$='/close'] select[name=outcome]").select_option("resolved")
    await anna.press("form[action$='/close'] button[type=submit]")
    await anna.look("closed case")
    await giulia.page.goto(giulia.address("bank", "/room"))
    await giulia.page.locator("input[name=stars][value='5']").check()
    await giulia.press("form[action='/room/rating'] button[type=submit]")
    await giulia.look("rated room")
    assert giulia.visit.problems == []
    assert anna.visit.problems == []


async def _thread_text(demo: DemoBank) -> str:
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"http://127.0.0.1:{demo.addresses.ports['square']}/posts/11",
            headers={"Host": demo.addresses.netloc("square")},
        )
    return answer.text


async def _held(giulia: Customer) -> None:
    """The room says that an answer waits: by itself with JavaScript, after looking again without."""
    for _ in range(40):
        if await giulia.page.locator("form[action='/room/step-up']").count():
            return
        if not giulia.javascript:
            await giulia.page.reload()
        await asyncio.sleep(0.3)
    raise AssertionError("the room does not say that an answer waits")
