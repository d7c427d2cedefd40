"""Digital identity: Marco comes by OpenID Connect, and what others make of his way."""

from __future__ import annotations

from app.demo import cast
from app.demo.cast import Townsperson
from app.demo.identity_sites import EID
from app.demo.playing.holding import present, require
from app.demo.playing.http_client import Answer, Browser
from app.demo.playing.people import Company
from app.demo.playing.steps_public import foreign_browser, require_neutral
from app.demo.playing.walking import answered_link, confirm, level_of, sign_in


async def refused(company: Company) -> None:
    """An answer that others open is over, for Marco too; who is no customer is refused in the same words."""
    marco, person = company.marco, cast.MARCO
    link = await answered_link(company, person, company.passante)
    done = await sign_in(company, marco, link, person, person)
    page = (await marco.go_on(done)).expect(200)
    company.story.identifying = page
    back = await _agree(company, await _leave(marco, page), person)
    for browser in (company.mallory, marco):
        await foreign_browser(browser, back.location)
    denied = await _agree(company, await _leave(marco, page), cast.STRANGER)
    require_neutral((await _arrive(company, denied)).expect(403))


async def identified(company: Company) -> None:
    """As himself he is found by his tax number and enters at L3; his answer works once."""
    marco, page = company.marco, present(company.story.identifying, "Marco is not on his way")
    back = await _agree(company, await _leave(marco, page), cast.MARCO)
    confirmation = (await marco.go_on(await _arrive(company, back))).expect(200)
    revealed = [word for word in (cast.MARCO.name, cast.MARCO.fiscal_code) if confirmation.says(word)]
    require(not revealed, "the confirmation shows what only provider and bank know")
    await foreign_browser(marco, back.location)
    room = await confirm(marco, confirmation)
    require(level_of(room) == 3, f"Marco is in the room at level {level_of(room)}")


async def _leave(browser: Browser, page: Answer) -> Answer:
    return await browser.submit(page, page.path, method=f"identity:{EID}")


async def _agree(company: Company, leaving: Answer, person: Townsperson) -> Answer:
    """Over to the digital identity, be this person there, and agree; gives what leads back."""
    there = (await company.marco.follow(leaving.expect(200), leaving.link_to(company.site("eid")))).expect(200)
    asked = (await company.marco.submit(there, "/consent", person=person.fiscal_code)).expect(200)
    require(asked.says(cast.BANK_NAME) and asked.says(person.fiscal_code), "the consent does not say who learns what")
    return await company.marco.submit(asked, "/decide", decision="agree")


async def _arrive(company: Company, back: Answer) -> Answer:
    return await company.marco.go_on(back, f"{company.site('bank')}/identity/{EID}/callback")
