"""Tables on a phone: nothing is moved sideways, every cell says its column, and to the ear a table stays a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from app.web.i18n import LANGUAGES
from tests.app.web.test_pages_in_chromium import Site, visiting
from tests.support.page_samples import page_samples

if TYPE_CHECKING:
    from playwright.async_api import Browser
    from playwright.async_api import Page as BrowserPage

PHONE = 360
WITH_TABLES = {"demo-start": 2, "demo-start-link": 2, "exports": 1, "agents": 1, "queue": 1, "queue-refused": 1}
SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll("body *")].filter(part => {
    const moved = ["auto", "scroll"].includes(getComputedStyle(part).overflowX) || part === document.documentElement;
    return moved && part.scrollWidth > part.clientWidth;
}).map(part => part.outerHTML.slice(0, 90))"""
UNNAMED = """() => [...document.querySelectorAll("table")].flatMap(table => {
    const heads = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
    const shown = cell => getComputedStyle(cell, "::before").content;
    const named = cell => cell.dataset.head === heads[cell.cellIndex] && shown(cell).includes(cell.dataset.head);
    const cells = [...table.tBodies[0].rows].flatMap(row => [...row.cells]);
    return cells.filter(cell => cell.dataset.head && !named(cell)).map(cell => cell.outerHTML.slice(0, 90));
})"""
CELLS = """() => [...document.querySelectorAll("table")].flatMap(table =>
    [...table.rows].flatMap(row => [...row.cells].map(cell => cell.getAttribute("role"))))"""


async def roles_heard(page: BrowserPage) -> Counter[str]:
    """What Chromium tells a screen reader, counted by role."""
    session = await page.context.new_cdp_session(page)
    tree: dict[str, Any] = await session.send("Accessibility.getFullAXTree")
    return Counter(node["role"]["value"] for node in tree["nodes"] if not node["ignored"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_on_any_page_is_moved_sideways_on_a_phone(browser: Browser, language: str) -> None:
    site = Site(page_samples()["landing"], language)
    async with visiting(browser, site, PHONE) as visit:
        for name, view in page_samples().items():
            site.view = view
            await visit.page.goto("http://bank.localhost/page")
            assert await visit.page.evaluate(SIDEWAYS) == [], name
            assert await visit.page.locator("table").count() == WITH_TABLES.get(name, 0), name


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_table_of_blocks_names_its_columns_and_is_heard_as_a_table(browser: Browser, language: str) -> None:
    samples = page_samples()
    site = Site(samples["landing"], language)
    async with visiting(browser, site, PHONE) as visit:
        for name, tables in WITH_TABLES.items():
            site.view = samples[name]
            await visit.page.goto("http://bank.localhost/page")
            assert await visit.page.locator("table.stacks").count() == tables, name
            assert await visit.page.evaluate(UNNAMED) == [], name
            written, heard = Counter(await visit.page.evaluate(CELLS)), await roles_heard(visit.page)
            assert written["columnheader"] >= 5, name
            assert written["rowheader"] >= 2, name
            assert {role: heard[role] for role in written} == dict(written), name
            assert heard["table"] == tables, name
