"""Renews the screenshots of README and docs: plays the demo in a real Chromium, desk at 1280 px, customer at 360 px.

Run it as `make pictures`, then look at each picture before committing it. It fails where one is too heavy for a page.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Final

from playwright.async_api import FloatRect, expect
from sqlalchemy import select

from app.conversations.models import Conversation
from app.database import reading
from app.demo import cast
from app.demo.bank import DemoBank
from app.demo.running import free_addresses, running_demo
from app.http.logs import configure_logging
from tests.journeys.people import Agent, Customer, Person, arrived_code, slug_of
from tests.support.chromium import open_visit, running_chromium
from tests.tools.png_palette import shrink

FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "pictures"
HEAVIEST: Final = 150_000
DESK: Final = (1280, 800)
PHONE: Final = (360, 720)
LANGUAGE: Final = "en-GB"
MARGIN: Final = 60


async def picture(person: Person, name: str, *, height: int = 0, around: str = "") -> None:
    """What the window shows; or the page from its top to `height`; or what stands `around` an element."""
    await person.page.wait_for_load_state("load")
    shown = person.page.viewport_size
    assert shown is not None
    clip: FloatRect | None = {"x": 0, "y": 0, "width": shown["width"], "height": height} if height else None
    if around:
        box = await person.page.locator(around).first.bounding_box()
        assert box is not None
        above = await person.page.evaluate("window.scrollY")
        clip = {
            "x": 0,
            "y": box["y"] + above - MARGIN,
            "width": box["x"] * 2 + box["width"],
            "height": box["height"] + 2 * MARGIN,
        }
    await person.page.screenshot(
        path=FOLDER / f"{name}.png", clip=clip, full_page=clip is not None, animations="disabled", scale="css"
    )


async def agent_answers(anna: Agent, slug: str) -> None:
    """The desk, a blocked reply, the one that leaves, and how the Square shows it."""
    await anna.sign_in(cast.ANNA)
    await anna.go("staff", "/queue")
    await picture(anna, "queue", height=620)
    await anna.open_case(f"@{cast.GIULIA.handle}")
    await anna.press("form[action$='/claim'] button")
    await anna.reply("Ciao Giulia, sul suo conto IT60X0542811101000000123456 risultano due addebiti da 34,20 euro.")
    anna.visit.problems.clear()
    await picture(anna, "guard", around=".draft-block")
    await anna.reply("Ciao Giulia, ci dispiace. Continuiamo in privato dal link qui sotto.")
    for _ in range(60):
        await anna.go("square", "/posts/11?lang=en")
        if slug in await anna.page.content():
            break
        await asyncio.sleep(0.3)
    await picture(anna, "square", height=760)


async def customer_comes(giulia: Customer, slug: str) -> None:
    """From the link to the room, on a phone."""
    await giulia.go("bank", f"/c/{slug}")
    await picture(giulia, "landing")
    await giulia.press(f"form[action='/c/{slug}/start'] button")
    await giulia.page.locator("#account").fill("@giulia")
    await giulia.page.locator("input[name=method][value=sign_in]").check()
    await picture(giulia, "handle")
    await giulia.press(f"form[action='/c/{slug}/handle'] button[type=submit]")
    await giulia.press("main a.button[href^='http']")
    await giulia.press(f"button[name=person][value='{cast.GIULIA.square_id}']")
    await giulia.press("form button[name=decision][value=approve]")
    await giulia.page.locator("#identifier").fill(cast.GIULIA.customer_number)
    await giulia.page.locator("input[name=method][value=sms]").check()
    await giulia.press(f"form[action='/c/{slug}/customer'] button[type=submit]")
    code = await arrived_code(giulia.demo, cast.GIULIA.phone)
    await giulia.page.locator("input[name=code]").fill(f"{code[:4]} {code[4:]}")
    await picture(giulia, "code")
    await giulia.press("main form button[type=submit]")
    await expect(giulia.page).to_have_url(re.compile("/confirm$"))
    await picture(giulia, "confirm")
    await giulia.page.locator("input[name=accept]").check()
    await giulia.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")


async def they_talk(anna: Agent, giulia: Customer) -> None:
    """Messages on both sides, one answer held; then the step-up that opens it."""
    await giulia.say("Buongiorno, parlo del bollo addebitato due volte a novembre.")
    await anna.open_case(f"@{cast.GIULIA.handle}")
    await anna.say("Buongiorno Giulia, controllo subito. Un momento.", "case")
    await giulia.expect_message("controllo subito")
    await anna.say("Il secondo addebito è un doppione: lo storniamo oggi.", "account")
    await expect(giulia.page.locator("form[action='/room/step-up']")).to_be_visible()
    await anna.page.reload()
    await picture(anna, "case", height=820)
    await giulia.step_up(cast.GIULIA.customer_number)
    await giulia.expect_message("doppione")
    await giulia.page.locator("[data-messages] li").last.scroll_into_view_if_needed()
    await picture(giulia, "room")


async def officer_exports(paolo: Agent, room_id: str) -> None:
    """One room and the whole log, asked for and built."""
    await paolo.sign_in(cast.PAOLO)
    for scope, room, reason in (("log", "", "Quarterly control"), ("room", room_id, "Complaint 2026/114, ombudsman")):
        await paolo.go("staff", "/exports")
        await paolo.page.locator(f"input[name=scope][value={scope}]").check()
        await paolo.page.locator("select[name=room]").select_option(room)
        await paolo.page.locator("input[name=reason]").fill(reason)
        await paolo.press("form[action='/exports'] button[type=submit]")
    for _ in range(60):
        await paolo.go("staff", "/exports")
        if await paolo.page.locator("a[href$='/download']").count() == 2:
            break
        await asyncio.sleep(0.5)
    await picture(paolo, "exports", height=960)


async def take_all(folder: Path) -> None:
    """The whole story, once."""
    async with running_demo(folder, free_addresses()) as bank, running_chromium() as browser:

        async def window(size: tuple[int, int], *, phone: bool = False) -> Person:
            visit = await open_visit(browser, width=size[0], height=size[1], locale=LANGUAGE)
            return Customer(bank, visit, javascript=True) if phone else Agent(bank, visit, javascript=True)

        anna, giulia, paolo = await window(DESK), await window(PHONE, phone=True), await window(DESK)
        assert isinstance(anna, Agent)
        assert isinstance(giulia, Customer)
        assert isinstance(paolo, Agent)
        slug = await slug_of(bank, cast.GIULIA.handle)
        await paolo.go("demo", "/")
        await picture(paolo, "start", height=880)
        await agent_answers(anna, slug)
        await customer_comes(giulia, slug)
        await they_talk(anna, giulia)
        await officer_exports(paolo, await _room_of(bank))


async def _room_of(bank: DemoBank) -> str:
    async with reading(bank.house.services) as db:
        return str((await db.execute(select(Conversation.id))).scalars().one())


def too_heavy(pictures: Sequence[Path]) -> list[str]:
    """Those that would make a page slow to read."""
    return [f"{one.name}: {one.stat().st_size} bytes" for one in pictures if one.stat().st_size > HEAVIEST]


def main() -> None:
    """Renew all; exits with the names of those that are too heavy."""
    FOLDER.mkdir(exist_ok=True)
    configure_logging(StringIO())
    with tempfile.TemporaryDirectory(prefix="riserbo-pictures-") as name:
        asyncio.run(take_all(Path(name)))
    pictures = sorted(FOLDER.glob("*.png"))
    for one in pictures:
        shrink(one)
    heavy = too_heavy(pictures)
    if heavy:
        raise SystemExit("\n".join(heavy))


if __name__ == "__main__":
    main()
