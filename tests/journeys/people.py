"""People at their browsers: each opens a window of their own and does what a person would do there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import axe_playwright_python
from playwright.async_api import Page, expect
from sqlalchemy import select

from app.cases.models import Case
from app.cases.queries import author_of
from app.database import reading
from app.demo import cast
from app.demo.bank import DemoBank
from security import totp
from tests.support.chromium import Visit

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
Open = Callable[..., Awaitable[Visit]]


@dataclass
class Person:
    """Somebody with a browser window at the demonstration."""

    demo: DemoBank
    visit: Visit
    javascript: bool
    seen: list[str] = field(default_factory=list)
    thorough: bool = True
    """Off on a way that another journey has looked at already: then only complaints of the browser are."""

    @property
    def page(self) -> Page:
        return self.visit.page

    def address(self, site: str, path: str) -> str:
        return f"{self.demo.addresses.url(site)}{path}"

    async def go(self, site: str, path: str) -> None:
        await self.page.goto(self.address(site, path))

    async def press(self, selector: str) -> None:
        await self.page.locator(selector).first.click()
        await self.page.wait_for_load_state("load")

    async def look(self, name: str) -> None:
        """The page is accessible, fits its window, and nothing complained so far.

        Without JavaScript nothing can be run in the page; it is the same markup as the page with it.
        """
        self.seen.append(name)
        assert self.visit.problems == [], name
        if not self.javascript or not self.thorough:
            return
        overflow = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{name}: {overflow} px too wide"
        await self.page.evaluate(AXE)
        found = await self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        assert [(one["id"], [node["html"][:90] for node in one["nodes"]]) for one in found["violations"]] == [], name
        assert self.visit.problems == [], name

    def refused_with(self, status: int) -> None:
        """A refusal that was meant: the browser notes the status of the page itself as an error, once."""
        note = f"error: Failed to load resource: the server responded with a status of {status}"
        found = next(problem for problem in self.visit.problems if problem.startswith(note))
        self.visit.problems.remove(found)


class Customer(Person):
    """On a phone: from the public link into the room."""

    async def begin(self, slug: str) -> None:
        await self.go("bank", f"/c/{slug}")
        await self.look("landing")
        await self.press(f"form[action='/c/{slug}/start'] button")
        await self.look("handle")

    async def sign_in_at_square(self, slug: str, account: str, square_id: str) -> None:
        await self.page.locator("#account").fill(account)
        await self.page.locator("input[name=method][value=sign_in]").check()
        await self.press(f"form[action='/c/{slug}/handle'] button[type=submit]")
        await self.look("leaving")
        await self.press("main a.button[href^='http']")
        await self.press(f"button[name=person][value='{square_id}']")
        await self.press("form button[name=decision][value=approve]")

    async def prove_by_sms(self, slug: str, number: str, phone: str) -> None:
        await expect(self.page).to_have_url(re.compile(f"/c/{slug}/customer$"))
        await self.look("customer")
        before = len(self.demo.inbox.items(phone))
        await self.page.locator("#identifier").fill(number)
        await self.page.locator("input[name=method][value=sms]").check()
        await self.press(f"form[action='/c/{slug}/customer'] button[type=submit]")
        await self.look("customer code")
        code = await arrived_code(self.demo, phone, before)
        await self.page.locator("input[name=code]").fill(code)
        await self.press("main form button[type=submit]")
        await expect(self.page).to_have_url(re.compile(f"/c/{slug}/confirm$"))
        await self.look("confirm")
        await self.page.locator("input[name=accept]").check()
        await self.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
        await expect(self.page).to_have_url(re.compile("/room$"))
        await self.look("room")

    async def say(self, text: str) -> None:
        await self.page.locator("form[action='/room/messages'] textarea").fill(text)
        await self.page.locator("form[action='/room/messages'] button[type=submit]").click()
        await expect(self.page.locator("[data-messages]")).to_contain_text(text)

    async def expect_message(self, text: str) -> None:
        """Live with JavaScript; by looking again without."""
        await eventually(self, "[data-messages]", text)

    async def step_up(self, customer_number: str) -> None:
        await self.press("form[action='/room/step-up'] button[value='identity:demo-id']")
        await self.press("main a.button[href^='http']")
        await self.press(f"button[name=person][value='{customer_number}']")


class Agent(Person):
    """At the desk."""

    async def sign_in(self, colleague: cast.Colleague) -> None:
        key = self.demo.key_of(colleague)
        await self.go("staff", "/signin")
        await self.look("sign in")
        await self.page.locator("input[name=name]").fill(colleague.login)
        await self.page.locator("input[name=password]").fill(key.password)
        await self.page.locator("input[name=code]").fill(
            totp.code_at(key.totp_secret, self.demo.house.services.clock())
        )
        await self.press("main form button[type=submit]")

    async def open_case(self, author: str) -> None:
        await self.go("staff", "/queue")
        await self.page.locator("main tr", has_text=author).locator("a[href^='/cases/']").first.click()
        await self.page.wait_for_url(re.compile("/cases/"))

    async def reply(self, text: str) -> None:
        await self.page.locator("form[action$='/replies'] textarea").first.fill(text)
        await self.press("form[action$='/replies'] button[name=intent][value=publish]")

    async def say(self, text: str, data_class: str) -> None:
        await self.page.locator(f"form.say input[name=data_class][value={data_class}]").check()
        await self.page.locator("form.say textarea").fill(text)
        await self.page.locator("form.say button[type=submit]").click()

    async def expect_message(self, text: str) -> None:
        await eventually(self, "[data-messages]", text)


async def arrived_code(demo: DemoBank, phone: str, before: int = 0) -> str:
    """The newest eight digits that arrived on a phone."""
    for _ in range(200):
        for item in reversed(demo.inbox.items(phone)[before:]):
            found = re.search(r"\b(\d{8})\b", item.text)
            if found:
                return found.group(1)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no code arrived at {phone}")


async def eventually(person: Person, selector: str, text: str) -> None:
    """The text appears by itself, or, without JavaScript, after looking again."""
    if person.javascript:
        await expect(person.page.locator(selector)).to_contain_text(text, timeout=15_000)
        return
    for _ in range(30):
        await person.page.reload()
        if text in await person.page.locator(selector).inner_text():
            return
        await asyncio.sleep(0.3)
    raise AssertionError(f"{text!r} did not appear")


async def slug_of(demo: DemoBank, handle: str) -> str:
    """The case link of this person's complaint, once it has arrived."""
    for _ in range(100):
        async with reading(demo.house.services) as db:
            for case in (await db.execute(select(Case))).scalars():
                if (await author_of(db, case)).handle == handle:
                    return case.slug
        await asyncio.sleep(0.1)
    raise AssertionError(f"no case of {handle}")
