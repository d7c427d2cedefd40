"""The pages in a real Chromium under the strict policy: accessible, never too wide, and live without a single complaint."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest
from playwright.async_api import expect

from app.web.rendering import STATIC, render
from app.web.views import HeldAnswer, Page, Room
from tests.support.chromium import Visit, open_visit
from tests.support.page_samples import NOW, TRAP, page_samples

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

POLICY = (
    "default-src 'none'; script-src 'nonce-N0'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
QR = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8"/></svg>'
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONTROLS = "button, a.button, select, summary, input:not([type=hidden], [type=radio], [type=checkbox])"
SMALL = """controls => [...document.querySelectorAll(controls)].filter(part => {
    const box = part.getBoundingClientRect();
    return box.width && box.height < 43.5;
}).map(part => part.outerHTML.slice(0, 90))"""
PARTS = 3
ANSWERS = "http://bank.localhost/room"


class Site:
    """Answers the browser's requests: one page at a time, its files, its stream, and what is sent to it."""

    def __init__(self, view: Page, language: str = "it", stream: str = "retry: 60000\n\n") -> None:
        self.view = view
        self.language = language
        self.stream = stream
        self.sent: list[str] = []
        self.answer: tuple[int, dict[str, Any]] = (201, {"n": 9})

    async def handle(self, route: Route) -> None:
        request, path = route.request, route.request.url.split("?")[0]
        if "/static/" in path:
            file = STATIC / path.rsplit("/", 1)[1]
            await route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix])
        elif path.endswith(".svg"):
            await route.fulfill(body=QR, content_type=KINDS[".svg"])
        elif path.endswith("/events"):
            await route.fulfill(body=self.stream, content_type="text/event-stream")
        elif request.method == "POST":
            self.sent.append(request.post_data or "")
            status, body = self.answer
            await route.fulfill(status=status, body=json.dumps(body), content_type="application/json")
        else:
            html = render(self.language, self.view.TEMPLATE, self.view, nonce="N0")
            headers = {"content-security-policy": POLICY}
            await route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)


@asynccontextmanager
async def visiting(browser: Browser, site: Site, width: int, *, javascript: bool = True) -> AsyncIterator[Visit]:
    visit = await open_visit(browser, width=width, javascript=javascript)
    await visit.context.route("**/*", site.handle)
    yield visit
    await visit.context.close()


def room(**changes: Any) -> Room:
    sample = page_samples()["room"]
    assert isinstance(sample, Room)
    return replace(sample, **changes)


def event(name: str, data: dict[str, Any], number: int | None = None) -> str:
    head = "" if number is None else f"id: {number}\n"
    return f"retry: 60000\n{head}event: {name}\ndata: {json.dumps(data)}\n\n"


def spoken(number: int, text: str, *, mine: bool = False) -> str:
    data = {"n": number, "author": "bank", "name": "Marta", "text": text, "at": "2026-11-21T13:07:00Z", "mine": mine}
    return event("message", {**data, "data_class": None}, number)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("width", "scheme", "language"), [(360, "light", "it"), (1280, "dark", "en")])
async def test_every_page_is_accessible_fits_its_window_and_breaks_no_policy(
    browser: Browser, width: int, scheme: str, language: str, part: int
) -> None:
    site = Site(page_samples()["landing"], language)
    async with visiting(browser, site, width) as visit:
        await visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for name, view in list(page_samples().items())[part::PARTS]:
            site.view = view
            await visit.page.goto("http://bank.localhost/page")
            assert await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            assert await visit.page.evaluate(SMALL, CONTROLS) == [], name
            await visit.page.evaluate(f"{AXE}; 0")
            found = await visit.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == [], name
            assert found["passes"], name
        assert visit.problems == []


async def test_live_message_appears_once_as_plain_text(browser: Browser) -> None:
    view = room()
    stream = spoken(view.cursor, "already here") + spoken(6, TRAP) + spoken(6, "the same number again")
    async with visiting(browser, Site(view, stream=stream), 360) as visit:
        await visit.page.goto(ANSWERS)
        await visit.page.wait_for_selector('[data-n="6"]')
        assert await visit.page.locator("[data-messages] > li").count() == len(view.messages) + 1
        assert await visit.page.locator('[data-n="6"] .text').inner_text() == TRAP
        assert await visit.page.locator('[data-n="6"] time').inner_text() == "14:07"
        assert await visit.page.locator("[data-messages] img").count() == 0
        assert visit.problems == []


async def test_sent_message_leaves_the_page_standing_and_gets_a_new_key(browser: Browser) -> None:
    site = Site(room())
    async with visiting(browser, site, 360) as visit:
        await visit.page.goto(ANSWERS)
        await visit.page.fill("#text", "Grazie, à presto")
        await visit.page.click("form[data-send] button")
        await expect(visit.page.locator("#text")).to_have_value("")  # wait_for_function polls by eval: refused here
        assert site.sent == ["idempotency_key=018f-key&text=Grazie%2C+%C3%A0+presto"]
        assert await visit.page.input_value("[name=idempotency_key]") != "018f-key"
        assert visit.problems == []


async def test_refused_message_keeps_text_and_key_and_says_why(browser: Browser) -> None:
    site = Site(room())
    site.answer = (422, {"detail": "Mai numeri di carta qui."})
    async with visiting(browser, site, 360) as visit:
        await visit.page.goto(ANSWERS)
        await visit.page.fill("#text", "4111 1111 1111 1111")
        await visit.page.click("form[data-send] button")
        await visit.page.wait_for_selector("[data-send-error]:not([hidden])")
        assert await visit.page.inner_text("[data-send-error]") == "Mai numeri di carta qui."
        assert await visit.page.input_value("#text") == "4111 1111 1111 1111"
        assert await visit.page.input_value("[name=idempotency_key]") == "018f-key"


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        (lambda: room(held=HeldAnswer(count=1, level=3, expires_at=NOW)), ".step-up"),
        (lambda: room(state="closed", rating="ask"), "text=Come è andata?"),
        (lambda: page_samples()["locked"], "text=La stanza è bloccata"),
    ],
)
async def test_look_event_brings_the_changed_parts_of_the_page(
    browser: Browser, changed: Callable[[], Page], shown: str
) -> None:
    site = Site(room(), stream=event("look", {}, 6))
    async with visiting(browser, site, 360) as visit:
        await visit.page.route("**/events*", lambda route: _change_then(route, site, changed()))
        await visit.page.goto(ANSWERS)
        await visit.page.wait_for_selector(shown)
        assert visit.problems == []


async def test_an_answer_that_starts_to_wait_is_brought_into_sight(browser: Browser) -> None:
    waiting = room(held=HeldAnswer(count=1, level=3, expires_at=NOW))
    site = Site(room(), stream=event("look", {}, 6))
    async with visiting(browser, site, 360) as visit:
        await visit.page.route("**/events*", lambda route: _change_then(route, site, waiting))
        await visit.page.goto(ANSWERS)
        await expect(visit.page.locator(".step-up")).to_be_in_viewport(ratio=1)
        composer = await visit.page.locator(".composer").bounding_box()
        box = await visit.page.locator(".step-up").bounding_box()
        assert composer
        assert box
        assert box["y"] + box["height"] <= composer["y"]
        assert visit.problems == []


async def test_the_desk_sees_at_once_what_a_proof_opened_and_keeps_what_was_typed(browser: Browser) -> None:
    samples = page_samples()
    site = Site(samples["case"], "en", stream=event("look", {}, 6))
    async with visiting(browser, site, 1280) as visit:
        await visit.page.route("**/events*", lambda route: _change_then(route, site, samples["case-strong"]))
        await visit.page.goto("http://bank.localhost/cases/1", wait_until="commit")
        await visit.page.fill("#say-text", "Sto scrivendo")
        state = visit.page.locator("[data-class-state=account]")
        await expect(state).to_have_text("readable now")
        await expect(visit.page.locator(".class-choice.above")).to_have_count(1)
        assert await visit.page.input_value("#say-text") == "Sto scrivendo"
        assert visit.problems == []


async def test_a_room_closed_while_looked_at_takes_no_more_messages(browser: Browser) -> None:
    site = Site(room(), stream=event("look", {}, 6))
    async with visiting(browser, site, 360) as visit:
        await visit.page.route(
            "**/events*", lambda route: _change_then(route, site, room(state="closed", rating="ask"))
        )
        await visit.page.goto(ANSWERS)
        await visit.page.wait_for_selector(".stars")
        assert await visit.page.locator("form[action='/room/messages']").count() == 0
        assert visit.problems == []


async def _change_then(route: Route, site: Site, view: Page) -> None:
    site.view = view
    await site.handle(route)


async def test_idle_countdown_warns_and_ends_at_the_locked_page(browser: Browser) -> None:
    site = Site(room(idle_left=2))
    async with visiting(browser, site, 360) as visit:
        await visit.page.goto(ANSWERS)
        await visit.page.wait_for_selector("[data-idle]:not([hidden])")
        assert "0:05" in await visit.page.inner_text("[data-idle]")
        site.view = page_samples()["locked"]
        await visit.page.wait_for_selector("form[action='/room/unlock']")


async def test_still_here_rests_the_countdown(browser: Browser) -> None:
    async with visiting(browser, Site(room(idle_left=30)), 360) as visit:
        await visit.page.goto(ANSWERS)
        await visit.page.click("[data-stay]")
        await visit.page.wait_for_selector("[data-idle]", state="hidden")


async def test_browser_inside_an_app_is_told_to_open_the_phones_own(browser: Browser) -> None:
    site = Site(page_samples()["landing"])
    for agent, hidden in (("Mozilla/5.0 (iPhone) Instagram 300.0", False), ("Mozilla/5.0 (iPhone) Safari/605", True)):
        context = await browser.new_context(user_agent=agent)
        await context.route("**/*", site.handle)
        page = await context.new_page()
        await page.goto("http://bank.localhost/c/x", wait_until="load")
        assert await page.locator("[data-in-app]").is_hidden() is hidden
        await context.close()


async def test_room_without_scripts_has_a_form_and_a_way_to_look_again(browser: Browser) -> None:
    site = Site(room())
    async with visiting(browser, site, 360, javascript=False) as visit:
        await visit.page.goto(ANSWERS)
        assert await visit.page.locator("[data-live-state] a[href='/room']").is_visible()
        assert await visit.page.locator("[data-idle]").is_hidden()
        await visit.page.fill("#text", "ciao")
        await visit.page.click("form[data-send] button")
        assert site.sent == ["idempotency_key=018f-key&text=ciao"]


async def test_queue_takes_its_rows_from_the_page_itself(browser: Browser) -> None:
    samples = page_samples()
    site = Site(samples["queue"])
    async with visiting(browser, site, 1280) as visit:
        await visit.page.clock.install()
        await visit.page.goto("http://bank.localhost/queue")
        assert await visit.page.locator("table.queue tbody tr").count() == 5
        site.view = samples["queue-empty"]
        await visit.page.clock.run_for(31_000)
        await visit.page.wait_for_selector(".empty")
        assert visit.problems == []
