"""The demo sites in a real browser: sign-in across origins, both languages, phone and desk width, without scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.demo.identity import IdentityPerson, create_identity_app
from app.demo.phone import Device, PhoneInbox, create_phone_app
from app.demo.square import ClientApp, SeedPost, SquareSeed, create_square_app
from tests.app.demo.conftest import BANK, GIULIA, MARCO, NOON, TANIA, Clock, authorization
from tests.support.serving import serving

if TYPE_CHECKING:
    from tests.support.chromium import Visit

OpenVisit = Callable[..., Coroutine[Any, Any, "Visit"]]


@dataclass
class Sites:
    square: str
    phone: str
    identity: str
    callback: str
    inbox: PhoneInbox


async def arrived_at_the_bank(request: Request) -> PlainTextResponse:
    return PlainTextResponse("bank " + " ".join(sorted(request.query_params)))


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    inbox = PhoneInbox((Device("giulia", "Giulia Ferraro", "+393331234567", "giulia@example.org"),), Clock())
    async with AsyncExitStack() as stack:
        bank = await stack.enter_async_context(serving(Starlette(routes=[Route("/callback", arrived_at_the_bank)])))
        callback = f"http://bank.localhost:{bank}/callback"
        posts = (
            SeedPost("90001", GIULIA.id, "Cara @bancaesempio, un bollo due volte?", NOON),
            SeedPost(
                "90002",
                BANK.id,
                "Ciao @giulia, ti rispondiamo qui: " + "http://bank.localhost/c/" + "x" * 90,
                NOON,
                "90001",
            ),
        )
        clients = (ClientApp("bank", "bank-secret", "Banca Esempio", (callback,)),)
        seed = SquareSeed("http://square.localhost", (GIULIA, MARCO, TANIA, BANK), posts, (), clients)
        square = await stack.enter_async_context(serving(create_square_app(seed, Clock())))
        phone = await stack.enter_async_context(serving(create_phone_app(inbox, "token")))
        stub = create_identity_app(
            (IdentityPerson("C-1001", "Giulia Ferraro"),),
            client_id="bank",
            client_secret="kyc-secret",
            redirect_uris=(callback,),
            issuer="http://identity.localhost",
            clock=Clock(),
        )
        identity = await stack.enter_async_context(serving(stub))
        yield Sites(
            f"http://square.localhost:{square}",
            f"http://phone.localhost:{phone}",
            f"http://identity.localhost:{identity}",
            callback,
            inbox,
        )


def proof(sites: Sites) -> str:
    asked = {
        "client_id": "bank",
        "redirect_uri": sites.callback,
        "state": "state-of-the-attempt",
        "nonce": "nonce-of-the-attempt",
        "code_challenge": "x" * 43,
        "purpose": "Vedere i movimenti",
    }
    return f"{sites.identity}/authorize?{urlencode(asked)}"


async def assert_sound(visit: Visit, language: str = "it") -> None:
    """No barrier that axe can see, nothing wider than the window, no complaint of the browser, the right language."""
    found = await Axe().run(visit.page)
    assert [one["id"] for one in found.response["violations"]] == [], visit.page.url
    sizes = await visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1], visit.page.url
    assert await visit.page.get_attribute("html", "lang") == language
    assert visit.problems == []


@pytest.mark.parametrize("width", [360, 1280])
async def test_every_page_is_sound_at_phone_and_desk_width(open_visit: OpenVisit, sites: Sites, width: int) -> None:
    visit = await open_visit(width=width)
    page = visit.page
    sites.inbox.sms("+393331234567", "Il codice è 1234 5678")
    sites.inbox.mail("nobody@example.org", "oggetto", "testo " * 40)
    for address in (
        f"{sites.square}/",
        f"{sites.square}/sign-in",
        f"{sites.phone}/",
        f"{sites.phone}/giulia",
        proof(sites),
    ):
        await page.goto(address)
        await assert_sound(visit)
    await page.goto(f"{sites.square}/sign-in")
    await page.get_by_role("button", name="Giulia Ferraro").click()
    for path in ("/", "/posts/90001", "/@bancaesempio", "/messages", f"/messages/{BANK.id}", "/settings"):
        await page.goto(sites.square + path)
        await assert_sound(visit)
    await page.goto(f"{sites.square}/?lang=en")
    await assert_sound(visit, "en")


@pytest.mark.parametrize("javascript", [True, False])
async def test_sign_in_leads_back_to_the_bank_with_and_without_scripts(
    open_visit: OpenVisit, sites: Sites, javascript: bool
) -> None:
    visit = await open_visit(width=360, javascript=javascript)
    page = visit.page
    for button, expected in (("Consenti", "bank code iss state"), ("Rifiuta", "bank error iss state")):
        await page.goto(sites.square + authorization(redirect_uri=sites.callback))
        chooser = page.get_by_role("button", name="@giulia")
        if await chooser.count():
            await chooser.click()
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url("**/callback?**")
        assert await page.inner_text("body") == expected
    for button, expected in (
        ("Sono Giulia Ferraro", "bank code iss state"),
        ("Non dimostrare", "bank error iss state"),
    ):
        await page.goto(proof(sites))
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url("**/callback?**")
        assert await page.inner_text("body") == expected
    assert [problem for problem in visit.problems if "favicon" not in problem and "404" not in problem] == []


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_post_and_its_reply_are_written_by_hand(open_visit: OpenVisit, sites: Sites, javascript: bool) -> None:
    visit = await open_visit(width=360, javascript=javascript)
    page = visit.page
    await page.goto(f"{sites.square}/sign-in")
    await page.get_by_role("button", name="Tania Conti").click()
    await page.get_by_label("Scrivi in piazza").fill("Un saluto a tutti")
    await page.get_by_role("button", name="Pubblica").click()
    await page.get_by_label("Rispondi a @curiosa_22").fill("E a chi risponde")
    await page.get_by_role("button", name="Rispondi").click()
    await page.locator("article").get_by_text("E a chi risponde").wait_for()
    assert await page.get_by_role("article").count() == 2
    assert visit.problems == []


async def test_new_sms_and_new_posts_show_up_by_themselves(open_visit: OpenVisit, sites: Sites) -> None:
    reader, writer = await open_visit(), await open_visit()
    await reader.page.goto(f"{sites.phone}/giulia")
    sites.inbox.sms("+393331234567", "Appena arrivato")
    await reader.page.get_by_text("Appena arrivato").wait_for()
    await reader.page.goto(f"{sites.square}/")
    await writer.page.goto(f"{sites.square}/sign-in")
    await writer.page.get_by_role("button", name="Tania Conti").click()
    await writer.page.get_by_label("Scrivi in piazza").fill("Appena scritto")
    await writer.page.get_by_role("button", name="Pubblica").click()
    await reader.page.get_by_role("link", name="Ci sono nuovi messaggi").click()
    await reader.page.get_by_text("Appena scritto").wait_for()
    assert reader.problems == writer.problems == []
