"""What can be done with a passkey's answer that is not one's own, or not of now: each gives what the outsider is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import update

from app.binding.models import PasskeyChallenge
from app.database import transaction
from app.demo import cast
from app.demo.playing.http_client import Answer, Browser
from app.demo.playing.steps_passkey import new_device
from app.demo.playing.walking import step_up
from app.demo.soft_passkey import PRESENT, SYNCED, SoftPasskey
from app.web.browser_cookie import BROWSER_COOKIE
from tests.attacks.town import Town, prove_handle

RELAY: Final = "http://bank-esempio.localhost"


@dataclass(frozen=True)
class Device:
    """Giulia's phone with her passkey."""

    key: SoftPasskey


async def enrolled(town: Town) -> Device:
    """She reaches level 3 and makes one."""
    giulia, key = town.people.giulia, new_device(town.people)
    await town.ask_for_step_up("anna", town.giulia.room_id)
    room = await giulia.go_on(await step_up(town.people, giulia, cast.GIULIA.customer_number), "/room")
    (await giulia.go_on(await giulia.tap(room, "/room/passkeys", key.create), "/room/passkeys")).expect(200)
    return Device(key)


async def at_the_link(town: Town, slug: str = "", *, known: bool = False) -> tuple[Browser, Answer, str]:
    """A fresh browser at Giulia's link, or another one; and where its passkey form goes. `known`: hers, signed out."""
    browser, path = await town.bystander(), f"/c/{slug or town.giulia.slug}"
    if known:
        hers = town.people.giulia.jar.value("bank.localhost", BROWSER_COOKIE)
        browser.jar.put("bank.localhost", BROWSER_COOKIE, hers or "")
    return browser, (await browser.open(f"{town.site('bank')}{path}")).expect(200), f"{path}/passkey"


async def tapped_with(town: Town, key: SoftPasskey, slug: str = "", **changed: Any) -> Answer:
    """One tap, by an answer that is right in all that is not changed."""
    browser, landing, action = await at_the_link(town, slug)
    return await browser.tap(landing, action, lambda asked: key.get(asked, **changed))


async def wrong_account(town: Town, device: Device) -> Answer:
    """At the link of somebody else's complaint."""
    return await tapped_with(town, device.key, town.mallory.slug)


async def foreign_browser(town: Town, device: Device) -> Answer:
    """The answer to one browser's question, in another that has one of its own."""
    hers, landing, action = await at_the_link(town)
    given = device.key.get(await hers.question(landing, action))
    other, landing, action = await at_the_link(town)
    await other.question(landing, action)
    return await other.tapped(landing, action, given)


async def browser_without_question(town: Town, device: Device) -> Answer:
    """The same in a browser that has asked nothing: there is no attempt that a leaf could be about."""
    hers, landing, action = await at_the_link(town)
    given = device.key.get(await hers.question(landing, action))
    other, landing, action = await at_the_link(town)
    return await other.tapped(landing, action, given)


async def replayed_answer(town: Town, device: Device) -> Answer:
    """One that has opened her room, once more."""
    hers, landing, action = await at_the_link(town, known=True)
    given = device.key.get(await hers.question(landing, action))
    assert (await hers.tapped(landing, action, given)).status == 303
    other, landing, action = await at_the_link(town)
    await other.question(landing, action)
    return await other.tapped(landing, action, given)


async def browser_never_used(town: Town, device: Device) -> Answer:
    """Her passkey, right in everything, where somebody else's computer has it too."""
    return await tapped_with(town, device.key)


async def relay_page(town: Town, device: Device) -> Answer:
    """What a browser would sign on a page that copies ours, if it signed there at all."""
    return await tapped_with(town, replace(device.key, origin=RELAY))


async def other_sites_passkey(town: Town, device: Device) -> Answer:
    return await tapped_with(town, device.key, signed_rp_id="bank-esempio.localhost")


async def nobody_verified(town: Town, device: Device) -> Answer:
    """Present, without finger or PIN."""
    return await tapped_with(town, device.key, flags=PRESENT | SYNCED)


async def unknown_passkey(town: Town, device: Device) -> Answer:
    """A stranger's own."""
    return await tapped_with(town, new_device(town.people))


async def stale_question(town: Town, device: Device) -> Answer:
    """Answered six minutes later."""
    browser, landing, action = await at_the_link(town)
    given = device.key.get(await browser.question(landing, action))
    async with transaction(town.services) as db:
        over = town.services.clock() - timedelta(minutes=1)
        await db.execute(update(PasskeyChallenge).where(PasskeyChallenge.used_at.is_(None)).values(expires_at=over))
    return await browser.tapped(landing, action, given)


async def parallel_attempts(town: Town, device: Device) -> Answer:
    """Two questions of one browser: only the newer one may be answered."""
    browser, landing, action = await at_the_link(town)
    given = device.key.get(await browser.question(landing, action))
    await browser.question(landing, action)
    return await browser.tapped(landing, action, given)


async def beside_another_account(town: Town, key: SoftPasskey) -> Answer:
    """Mallory proves his own account, with a device at hand that is not his."""
    browser = await town.bystander()
    page = await prove_handle(town.people, browser, town.mallory.link, cast.MALLORY)
    return await browser.tap(page, f"{town.mallory.path}/customer/passkey", key.get)
