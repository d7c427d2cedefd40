"""What can be done with a redirect that is not one's own, or not of now: each gives what the outsider is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import update

from app.binding.models import Flow
from app.database import transaction
from app.demo import cast
from app.demo.cast import Townsperson
from app.demo.playing.http_client import Answer, Browser
from tests.attacks.town import Town
from tests.attacks.ways import PROVIDERS, Way

ELSEWHERE: Final = "http://attacker.localhost"


@dataclass
class Ground:
    """The town, and its ways."""

    town: Town
    ways: dict[str, Way]

    async def away(self, way: Way, browser: Browser | None = None) -> tuple[Browser, Answer]:
        """A browser (a fresh one if none is named) on our page with the link."""
        browser = browser or await self.town.bystander()
        return browser, await way.leave(browser, await way.come(self.town, browser))

    async def back(self, way: Way, person: Townsperson = cast.GIULIA) -> tuple[Browser, str]:
        """A fresh browser, and the address that it should open now."""
        browser, leaving = await self.away(way)
        return browser, await way.agree(self.town, browser, leaving, person)


def changed(address: str, path: str = "", **parameters: str | None) -> str:
    """The address with another path, and some parameters changed or (None) left out."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query)) | parameters
    kept = {name: value for name, value in query.items() if value is not None}
    return parts._replace(path=path or parts.path, query=urlencode(kept)).geturl()


async def wrong_account(ground: Ground, way: Way) -> Answer:
    """Somebody who is not the author of the complaint, or no customer."""
    browser, address = await ground.back(way, cast.STRANGER)
    return await browser.open(address)


async def foreign_browser(ground: Ground, way: Way) -> Answer:
    """In a browser that stands at the same step with a session of its own."""
    _, address = await ground.back(way)
    other, _ = await ground.away(way)
    return await other.open(address)


async def browser_without_session(ground: Ground, way: Way) -> Answer:
    """In a browser that was never here."""
    _, address = await ground.back(way)
    return await (await ground.town.bystander()).open(address)


async def replayed_callback(ground: Ground, way: Way) -> Answer:
    browser, address = await ground.back(way)
    assert (await browser.open(address)).status == 303
    return await browser.open(address)


async def wrong_issuer(ground: Ground, way: Way) -> Answer:
    browser, address = await ground.back(way)
    return await browser.open(changed(address, iss=ELSEWHERE))


async def missing_issuer(ground: Ground, way: Way) -> Answer:
    browser, address = await ground.back(way)
    return await browser.open(changed(address, iss=None))


async def other_providers_address(ground: Ground, way: Way) -> Answer:
    """The whole answer of one, at the address of another."""
    browser, address = await ground.back(way)
    other = next(one for one in ground.ways.values() if one is not way)
    return await browser.open(changed(address, path=other.callback))


async def other_providers_code(ground: Ground, way: Way) -> Answer:
    """Mix-up: a code that another one gave, under our question to this one."""
    other = next(one for one in ground.ways.values() if one is not way)
    _, stolen = await ground.back(other)
    given = dict(parse_qsl(urlsplit(stolen).query))
    browser, address = await ground.back(way)
    return await browser.open(changed(address, code=given["code"], **{"iss": given["iss"]} if "iss" in given else {}))


async def stolen_code(ground: Ground, way: Way) -> Answer:
    """The victim's code of this very provider, under the attacker's own question to it."""
    _, hers = await ground.back(way)
    code = dict(parse_qsl(urlsplit(hers).query))["code"]
    browser, address = await ground.back(way, cast.MALLORY)
    return await browser.open(changed(address, code=code))


async def stale_proof(ground: Ground, way: Way) -> Answer:
    """Eleven minutes after the browser left."""
    browser, address = await ground.back(way)
    services = ground.town.services
    async with transaction(services) as db:
        over = services.clock() - timedelta(minutes=1)
        await db.execute(update(Flow).where(Flow.used_at.is_(None)).values(expires_at=over))
    return await browser.open(address)


async def parallel_attempts(ground: Ground, way: Way) -> Answer:
    """Two questions of one browser at once: the older one's answer is late, and the newer one's still counts."""
    browser, page = await ground.town.bystander(), None
    page = await way.come(ground.town, browser)
    older = await way.agree(ground.town, browser, await way.leave(browser, page), cast.GIULIA)
    newer = await way.agree(ground.town, browser, await way.leave(browser, page), cast.GIULIA)
    refused = await browser.open(older)
    assert (await browser.open(newer)).status == 303
    return refused


async def victim_finishes(ground: Ground, way: Way) -> Answer:
    """The attacker leaves, and gets the victim to go on from there: her browser returns, with a session or without."""
    attacker, leaving = await ground.away(way)
    victim = await ground.town.bystander()
    await way.come(ground.town, victim)
    address = await way.agree(ground.town, victim, leaving, cast.GIULIA)
    refused = await victim.open(address)
    assert (await attacker.open(address)).status == 403
    return refused


async def other_customer(ground: Ground, way: Way) -> Answer:
    """A step-up in Mallory's room that names Giulia."""
    town, name = ground.town, next(name for name, one in ground.ways.items() if one is way)
    await town.ask_for_step_up("luca", town.mallory.room_id)
    room = (await town.people.mallory.open(f"{town.site('bank')}/room")).expect(200)
    leaving = await town.people.mallory.submit(room, "/room/step-up", method=f"identity:{PROVIDERS[name]}")
    return await town.people.mallory.open(await way.agree(town, town.people.mallory, leaving, cast.GIULIA))
