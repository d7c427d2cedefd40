"""A Bluesky account proved through the real public door: servers read the bank's document there, and nobody else comes in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from app.channels.atproto import client_id_of
from tests.app.binding.atproto_town import NAME, PUBLIC_URL, complaint_of, connector_at
from tests.app.binding.doors import Doors, Surfer, link_of, open_doors
from tests.app.binding.outside import ISSUER
from tests.support.atproto import Ground, Person, atproto_ground
from tests.support.databases import DatabaseUrls
from tests.support.house import ON_SQLITE

pytestmark = ON_SQLITE
CLIENT_ID: Final = client_id_of(PUBLIC_URL, NAME)


@dataclass
class Scene:
    """The door, the ground, and Giulia's complaint."""

    doors: Doors
    ground: Ground
    giulia: Person
    mallory: Person
    slug: str

    async def browser(self, account: str = "@giulia.test") -> tuple[Surfer, str]:
        """A fresh browser that has been sent away, and where to."""
        browser = self.doors.browser(self.slug)
        assert (await browser.post(f"/c/{self.slug}/start")).status_code == 303
        left = await browser.post(f"/c/{self.slug}/handle", connector=NAME, account=account, method="sign_in")
        return browser, link_of(left)

    async def back(self, browser: Surfer, returned: dict[str, str], connector: str = NAME) -> httpx2.Response:
        return await browser.get(f"/signin/{connector}/callback?{urlencode(returned)}")


@pytest.fixture
async def scene(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Scene]:
    async with atproto_ground() as ground:
        giulia, mallory = ground.join("giulia.test"), ground.join("mallory.test")
        elsewhere = ground.join("elsewhere.test", "own.test")
        assert elsewhere.pds == "own.test"
        connector = connector_at(ground)
        async with open_doors(schema_urls, tmp_path, None, [connector]) as doors:

            async def fetch(url: str) -> tuple[int, str, bytes]:
                assert url.startswith(PUBLIC_URL)
                async with httpx2.AsyncClient(transport=doors.transport, base_url=PUBLIC_URL) as http:
                    answer = await http.get(urlsplit(url).path)
                return answer.status_code, answer.headers["content-type"], answer.content

            ground.fetch = fetch
            yield Scene(doors, ground, giulia, mallory, await complaint_of(doors.house.services, connector, giulia))


def words(answer: httpx2.Response) -> str:
    """What an outsider reads, without what is new on every page anyhow."""
    return re.sub(r'nonce="[^"]*"|nonce-[\w-]+', "", answer.text)


async def test_from_the_case_link_to_the_customer_step(scene: Scene) -> None:
    browser, url = await scene.browser()
    answer = await scene.back(browser, scene.ground.approve(url, scene.giulia))
    assert answer.headers["location"] == f"/c/{scene.slug}/customer", answer.text
    shown = await browser.get(f"/c/{scene.slug}/customer")
    assert "@giulia.test" in shown.text
    assert "Bluesky" in shown.text


async def test_the_leaving_page_names_the_host_that_will_open(scene: Scene) -> None:
    browser = scene.doors.browser(scene.slug)
    await browser.post(f"/c/{scene.slug}/start")
    left = await browser.post(f"/c/{scene.slug}/handle", connector=NAME, account="giulia.test", method="sign_in")
    assert f"entry.test:{scene.ground.port}" in left.text


async def test_the_client_has_one_document_at_one_address(scene: Scene) -> None:
    browser = scene.doors.browser(scene.slug)
    answer = await browser.get(urlsplit(CLIENT_ID).path)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (told["client_id"], told["redirect_uris"]) == (CLIENT_ID, [f"{PUBLIC_URL}/signin/bluesky/callback"])
    assert all("d" not in key for key in told["jwks"]["keys"])
    for other in ("square", "nobody", "blue%2Fsky"):
        assert (await browser.get(f"/oauth/clients/{other}.json")).status_code == 404


async def test_every_refusal_has_its_reason_in_the_log_and_all_have_one_text(scene: Scene) -> None:
    texts: set[str] = set()

    async def refused(browser: Surfer, returned: dict[str, str], connector: str = NAME) -> None:
        answer = await scene.back(browser, returned, connector)
        assert answer.status_code == 403, answer.text
        texts.add(words(answer))

    ground = scene.ground
    browser, url = await scene.browser()
    await refused(browser, ground.approve(url, scene.mallory))  # another account
    browser, url = await scene.browser("mallory.test")
    await refused(browser, ground.approve(url, scene.mallory))  # an own one
    browser, url = await scene.browser()
    foreign, _ = await scene.browser()
    back = ground.approve(url, scene.giulia)
    await refused(foreign, back)
    await refused(browser, back)
    browser, url = await scene.browser()
    await refused(browser, ground.approve(url, scene.giulia) | {"iss": ISSUER})
    browser, url = await scene.browser()
    await refused(browser, ground.approve(url, scene.giulia), "square")
    browser, url = await scene.browser("elsewhere.test")
    ground.authorities["own.test"].tokens_say = {"sub": scene.giulia.did}
    theirs = next(one for one in ground.people.values() if one.handle == "elsewhere.test")
    await refused(browser, ground.approve(url, theirs))
    browser, url = await scene.browser()
    back = ground.approve(url, scene.giulia)
    assert (await scene.back(browser, back)).status_code == 303
    await refused(browser, back)  # a second time
    await refused(browser, {"state": "no-such-state", "code": "x", "iss": ISSUER})
    assert len(texts) == 1
    assert await scene.doors.reasons() == [
        "other_account",
        "other_account",
        "foreign_browser",
        "replayed",
        "wrong_issuer",
        "other_provider",
        "server_of_another_account",
        "replayed",
    ]


async def test_a_link_that_is_not_ours_goes_the_same_way(scene: Scene) -> None:
    """Only after the sign-in, and in the same words."""
    browser = scene.doors.browser("b" * 26)
    assert (await browser.post(f"/c/{browser.slug}/start")).status_code == 303
    left = await browser.post(f"/c/{browser.slug}/handle", connector=NAME, account="giulia.test", method="sign_in")
    answer = await scene.back(browser, scene.ground.approve(link_of(left), scene.giulia))
    assert answer.status_code == 403
    assert await scene.doors.reasons() == ["unknown_link"]
