"""Passkeys in a real Chromium at 360 px: made in the room at L3, back with one tap, and refused everywhere else."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from playwright.async_api import expect
from sqlalchemy import select, update

from app.audit.models import Leaf
from app.binding import sweeping
from app.database import reading, transaction
from app.demo import cast
from app.demo.bank import DemoBank
from app.sessions.dependencies import VISITOR_COOKIE
from app.sessions.models import Session
from tests.journeys.people import Customer, Open, slug_of
from tests.support.virtual_authenticator import VirtualAuthenticator, authenticator_of

RETURN = "form[data-passkey][action$='/passkey'] button"
CREATE = "form[data-passkey=create] button"


async def in_the_room(
    demo: DemoBank, open_visit: Open, one: cast.Townsperson, locale: str = "it-IT"
) -> tuple[Customer, str]:
    """Somebody at L3 in their own room: signed in at the network, then at the identity provider."""
    slug = await slug_of(demo, one.handle)
    person = Customer(demo, await open_visit(width=360, locale=locale), javascript=True)
    await person.begin(slug)
    await person.sign_in_at_square(slug, f"@{one.handle}", one.square_id)
    await person.press(f"form[action='/c/{slug}/customer'] button[value='identity:demo-id']")
    await person.press("main a.button[href^='http']")
    await person.press(f"button[name=person][value='{one.customer_number}']")
    await person.page.locator("input[name=accept]").check()
    await person.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
    await expect(person.page).to_have_url(re.compile("/room$"))
    return person, slug


async def with_passkey(person: Customer) -> VirtualAuthenticator:
    """Made where the room offers it."""
    authenticator = await authenticator_of(person.page)
    await person.page.reload()
    await person.look("room with the offer")
    await person.page.locator(CREATE).click()
    await expect(person.page).to_have_url(re.compile("/room/passkeys$"))
    await expect(person.page.locator(".box-good")).to_have_count(1)
    await person.page.reload()
    await expect(person.page.locator(".box-good")).to_have_count(0)
    assert len(await authenticator.passkeys()) == 1
    return authenticator


async def at_the_link(
    demo: DemoBank, open_visit: Open, slug: str, passkeys: list[dict[str, Any]], locale: str = "it-IT"
) -> Customer:
    """A browser that was never here, on a device that has these passkeys."""
    person = Customer(demo, await open_visit(width=360, locale=locale), javascript=True)
    await person.go("bank", f"/c/{slug}")
    await authenticator_of(person.page, passkeys)
    return person


async def reasons(demo: DemoBank) -> list[str]:
    async with reading(demo.house.services) as db:
        rows = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no))).scalars()
        leaves = [json.loads(row) for row in rows]
    return [leaf["data"]["reason"] for leaf in leaves if leaf["t"] == "attempt.refused"]


@pytest.mark.parametrize("locale", ["it-IT", "en-GB"])
async def test_made_at_l3_it_brings_its_owner_back_with_one_tap(demo: DemoBank, open_visit: Open, locale: str) -> None:
    giulia, slug = await in_the_room(demo, open_visit, cast.GIULIA, locale)
    await giulia.say("Torno domani con un tocco.")
    await with_passkey(giulia)
    await giulia.look("own passkeys")
    await giulia.press("main a[href='/room']")
    await expect(giulia.page.locator(CREATE)).to_have_count(0)

    await giulia.page.context.clear_cookies(name=VISITOR_COOKIE)
    await giulia.go("bank", f"/c/{slug}")
    await giulia.look("landing with the way back")
    await giulia.page.locator(RETURN).click()
    await expect(giulia.page).to_have_url(re.compile("/room$"))
    await giulia.expect_message("Torno domani con un tocco.")
    await expect(giulia.page.locator(".meter-3")).to_have_count(1)
    await giulia.look("room by passkey")


async def test_on_a_new_device_a_tap_is_enough_once_the_account_was_proved_there(
    demo: DemoBank, open_visit: Open
) -> None:
    giulia, slug = await in_the_room(demo, open_visit, cast.GIULIA)
    await giulia.say("Domani scrivo dal computer.")
    key = await with_passkey(giulia)
    new = await at_the_link(demo, open_visit, slug, await key.passkeys())
    await _refused(new)
    assert (await reasons(demo))[-1] == "new_browser"
    await new.begin(slug)
    await new.sign_in_at_square(slug, f"@{cast.GIULIA.handle}", cast.GIULIA.square_id)
    await new.page.locator(f"form[action='/c/{slug}/customer/passkey'] button").click()
    await expect(new.page).to_have_url(re.compile(f"/c/{slug}/confirm$"))
    await new.page.locator("input[name=accept]").check()
    await new.press(f"form[action='/c/{slug}/confirm'] button[type=submit]")
    await new.expect_message("Domani scrivo dal computer.")
    await giulia.page.reload()
    giulia.refused_with(401)
    await expect(giulia.page.locator("[data-messages]")).to_have_count(0)
    await new.page.context.clear_cookies(name=VISITOR_COOKIE)
    await new.go("bank", f"/c/{slug}")
    await new.page.locator(RETURN).click()
    await expect(new.page).to_have_url(re.compile("/room$"))
    await expect(new.page.locator(".meter-3")).to_have_count(1)


async def test_it_opens_the_locked_room_and_a_wrong_finger_does_not(demo: DemoBank, open_visit: Open) -> None:
    giulia, _ = await in_the_room(demo, open_visit, cast.GIULIA)
    key = await with_passkey(giulia)
    await _idle(demo)
    await giulia.page.goto(giulia.address("bank", "/room"))
    giulia.refused_with(401)
    await giulia.look("locked room with a passkey")
    await key.verifies(who=False)
    tap = giulia.page.locator("form[action='/room/unlock/passkey'] button")
    await tap.click()
    await expect(giulia.page.locator("[data-passkey-error]")).to_contain_text("Nessuna passkey")
    await giulia.look("locked room, no passkey used")
    await key.verifies(who=True)
    await tap.click()
    await expect(giulia.page.locator("[data-messages]")).to_have_count(1)


async def test_it_steps_its_own_room_up_and_another_customers_does_not(demo: DemoBank, open_visit: Open) -> None:
    giulia, slug = await in_the_room(demo, open_visit, cast.GIULIA, "en-GB")
    await giulia.say("What a session at level 2 does not see.")
    key = await with_passkey(giulia)
    mallory, _ = await in_the_room(demo, open_visit, cast.MALLORY, "en-GB")
    foreign = await with_passkey(mallory)

    again = Customer(demo, await open_visit(width=360, locale="en-GB"), javascript=True)
    await again.begin(slug)
    await again.sign_in_at_square(slug, "@giulia", cast.GIULIA.square_id)
    await again.prove_by_sms(slug, cast.GIULIA.customer_number, cast.GIULIA.phone)
    await _step_up(again, await foreign.passkeys(), await key.passkeys())
    await expect(again.page.locator(".meter-3")).to_have_count(1)
    assert "other_binding" in await reasons(demo)


async def _step_up(person: Customer, foreign: list[dict[str, Any]], own: list[dict[str, Any]]) -> None:
    """First with an answer that another customer's passkey gives to the very question, then with one's own."""
    authenticator = await authenticator_of(person.page, foreign)
    question = f"{person.address('bank', '')}/room/step-up/passkey/question"
    await person.page.evaluate(_ANSWER_WITH_ANY, question)
    await expect(person.page.locator("#error")).to_be_visible()
    person.refused_with(403)
    await person.page.goto(person.address("bank", "/room"))
    await authenticator.forget()
    await authenticator.take_over(own)
    await person.page.locator("form[action='/room/step-up/passkey'] button").first.click()


# The page's own question names Giulia's passkeys; whoever holds the browser may leave the names out.
_ANSWER_WITH_ANY = """async (address) => {
  const asked = await (await fetch(address, {method: "POST", body: new URLSearchParams()})).json();
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const one = await navigator.credentials.get({publicKey: {...asked, challenge: bytes(asked.challenge), allowCredentials: []}});
  const form = document.querySelector("form[action='/room/step-up/passkey']");
  form.elements.answer.value = JSON.stringify(one.toJSON());
  form.submit();
}"""


async def test_at_another_sites_page_the_same_question_gets_no_answer(demo: DemoBank, open_visit: Open) -> None:
    """A relay fetches the question from us and puts it to the victim on a page of its own: the browser refuses."""
    giulia, slug = await in_the_room(demo, open_visit, cast.GIULIA)
    passkeys = await (await with_passkey(giulia)).passkeys()
    victim = Customer(demo, await open_visit(width=360), javascript=True)
    await victim.go("square", "/")
    await authenticator_of(victim.page, passkeys)
    question = await _question(demo, slug)
    refused = await victim.page.evaluate(_AS_A_RELAY, [question, question["rpId"]])
    assert refused == "SecurityError"
    own_host = victim.page.url.split("/")[2].split(":")[0]
    assert await victim.page.evaluate(_AS_A_RELAY, [question, own_host]) == "NotAllowedError"


_AS_A_RELAY = """async ([asked, host]) => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const publicKey = {...asked, rpId: host, timeout: 3000, challenge: bytes(asked.challenge), allowCredentials: []};
  return navigator.credentials.get({publicKey}).then(() => "answered", (fault) => fault.name);
}"""


async def _question(demo: DemoBank, slug: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{demo.addresses.ports['bank']}/c/{slug}/passkey/question",
            headers={"Host": demo.addresses.netloc("bank"), "Origin": demo.addresses.url("bank")},
        )
    asked: dict[str, Any] = answer.json()
    return asked


async def test_a_removed_passkey_and_one_at_somebody_elses_link_open_nothing(demo: DemoBank, open_visit: Open) -> None:
    giulia, slug = await in_the_room(demo, open_visit, cast.GIULIA)
    passkeys = await (await with_passkey(giulia)).passkeys()
    elsewhere = await at_the_link(demo, open_visit, await slug_of(demo, cast.MALLORY.handle), passkeys)
    words = await _refused(elsewhere)
    await giulia.press("form[action$='/remove'] button")
    await giulia.look("passkey removed")
    removed = await at_the_link(demo, open_visit, slug, passkeys)
    assert await _refused(removed) == words
    assert (await reasons(demo))[-2:] == ["other_account", "removed"]
    await expect(giulia.page.locator("main")).to_contain_text("Ancora nessuna passkey.")


async def _refused(person: Customer) -> str:
    await person.page.locator(RETURN).click()
    await expect(person.page).to_have_url(re.compile("/passkey$"))
    person.refused_with(403)
    await person.look("passkey refused")
    return await person.page.locator("main").inner_text()


async def test_without_javascript_nothing_speaks_of_a_tap_that_cannot_be(demo: DemoBank, open_visit: Open) -> None:
    slug = await slug_of(demo, cast.GIULIA.handle)
    person = Customer(demo, await open_visit(width=360, javascript=False), javascript=False)
    await person.go("bank", f"/c/{slug}")
    await expect(person.page.locator(RETURN)).to_be_hidden()
    await expect(person.page.locator(f"form[action='/c/{slug}/start'] button")).to_be_visible()


async def _idle(demo: DemoBank) -> None:
    """Six minutes in which nobody did anything."""
    services = demo.house.services
    async with transaction(services) as db:
        long_ago = services.clock() - timedelta(minutes=6)
        await db.execute(update(Session).where(Session.binding_id.is_not(None)).values(last_seen_at=long_ago))
    await sweeping.sweep(services)
