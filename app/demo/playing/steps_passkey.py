"""A passkey: made in the room, and back with one tap from a browser that was used for it before."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from app.demo import cast
from app.demo.playing.cookies import CookieJar
from app.demo.playing.holding import present, require, until
from app.demo.playing.people import Company
from app.demo.playing.steps_room import HELLO
from app.demo.playing.walking import level_of
from app.demo.soft_passkey import SoftPasskey
from app.web.browser_cookie import BROWSER_COOKIE
from security.encoding import b64url

NO_ENTRY: Final = "This passkey does not open anything here"


def new_device(company: Company) -> SoftPasskey:
    """A device that holds nothing yet, with a browser at the bank's page."""
    site = company.site("bank")
    return SoftPasskey(site, urlsplit(site).hostname or "")


async def made(company: Company) -> None:
    """Giulia, at L3, makes a passkey where the room offers it; her phone hears of it."""
    giulia, key = company.giulia, new_device(company)
    room = (await giulia.open(f"{company.site('bank')}/room")).expect(200)
    require(room.says("Faster next time"), "the room offers no passkey")
    done = await giulia.tap(room, "/room/passkeys", key.create)
    page = (await giulia.go_on(done, "/room/passkeys")).expect(200)
    require(page.says("Your passkey is ready"), "the passkey was not kept")

    async def look() -> bool:
        return any("passkey" in text for text in await company.arrived(cast.GIULIA.phone))

    await until(look, "the notice of the new passkey")
    company.story.passkey = key
    company.story.secrets |= {b64url(key.credential_id), b64url(key.user_handle)}


async def returned(company: Company) -> None:
    """Another day she opens the link: one tap, and the room is there at L3.

    A made-up passkey opens nothing, nor does hers alone in a browser that she never used for it.
    """
    link, giulia = company.story.link, company.giulia
    key = present(company.story.passkey, "Giulia has no passkey")
    action = f"{company.story.path}/passkey"
    stranger = new_device(company)
    stranger.credential_id, stranger.user_handle = key.credential_id, key.user_handle
    refused = await company.passante.tap(await company.passante.open(link), action, stranger.get)
    require(refused.expect(403).says(NO_ENTRY), "the refusal is not the one for everybody")
    known = present(giulia.jar.value("bank.localhost", BROWSER_COOKIE), "her browser is not known")
    giulia.jar = CookieJar()
    elsewhere = await giulia.tap(await giulia.open(link), action, key.get)
    require(elsewhere.expect(403).says(NO_ENTRY), "a tap alone opened her room in a browser never used before")
    giulia.jar = CookieJar()
    giulia.jar.put("bank.localhost", BROWSER_COOKIE, known)
    landing = (await giulia.open(link)).expect(200)
    room = (await giulia.go_on(await giulia.tap(landing, action, key.get), "/room")).expect(200)
    require(level_of(room) == 3 and room.says(HELLO), "one tap did not open her room at L3")
    await company.scene.enter(giulia, cast.GIULIA)
