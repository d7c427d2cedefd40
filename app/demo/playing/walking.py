"""What several steps do the same way: signing in at the network, a public reply, the walk from case link to room."""

from __future__ import annotations

import re
from typing import Any, Final

from app.demo.cast import Townsperson
from app.demo.identity_sites import KYC
from app.demo.playing.holding import present, until
from app.demo.playing.http_client import Answer, Browser
from app.demo.playing.people import CODE, Company

LEVEL: Final = re.compile(r"Level (\d) of 4")


async def case_of(company: Company, person: Townsperson) -> dict[str, Any]:
    """The case of this person's complaint in the desk's queue, waiting for it."""

    handle = company.scene.handle(person)

    async def look() -> dict[str, Any] | None:
        items = (await company.anna.get("/cases"))["items"]
        return next((case for case in items if case["author"]["handle"] == handle), None)

    return await until(look, f"a case for @{handle}")


async def posted_reply(company: Company, case_id: str, text: str, *, purpose: str = "answer") -> dict[str, Any]:
    """Anna's public reply, once it stands in the thread."""
    reply = (await company.anna.post(f"/cases/{case_id}/replies", {"text": text, "purpose": purpose})).expect(202)

    async def look() -> dict[str, Any] | None:
        found: list[dict[str, Any]] = await company.anna.get(f"/cases/{case_id}/replies")
        return next((one for one in found if one["id"] == reply["id"] and one["state"] == "posted"), None)

    return await until(look, "the reply in the thread")


async def link_in_thread(company: Company, reader: Browser, person: Townsperson) -> str:
    """The case link that the bank's reply carries, as everybody finds it in the thread of the complaint."""
    return (await thread_with(company, reader, person, f"{company.site('bank')}/c/")).link_to(
        f"{company.site('bank')}/c/"
    )


async def thread_with(company: Company, reader: Browser, person: Townsperson, words: str) -> Answer:
    """The public thread once it shows these words, which may come from another server."""

    async def look() -> Answer | None:
        thread = await company.scene.thread(reader, person)
        return thread if thread.says(words) else None

    return await until(look, f"{words!r} in the thread of @{company.scene.handle(person)}")


async def answered_link(company: Company, person: Townsperson, reader: Browser) -> str:
    """Anna claims the person's case and answers in public; gives the link in the thread."""
    case = await case_of(company, person)
    (await company.anna.post(f"/cases/{case['id']}/claim")).expect(200)
    await posted_reply(company, case["id"], f"Buongiorno {person.first_name}, ne parliamo in privato da qui:")
    return await link_in_thread(company, reader, person)


async def begin(browser: Browser, link: str) -> Answer:
    """Open the case link and begin; gives the page that asks for the account."""
    landing = (await browser.open(link)).expect(200)
    path = landing.path
    return (await browser.go_on(await browser.submit(landing, f"{path}/start"), f"{path}/handle")).expect(200)


async def name_account(browser: Browser, page: Answer, account: str, method: str) -> Answer:
    """Name an account and a way to prove it."""
    return await browser.submit(page, page.path, account=account, method=method)


def callback_of(company: Company) -> str:
    """Where sign-ins at the network come back to."""
    return f"{company.site('bank')}/signin/{company.scene.connector}/callback"


async def sign_in(company: Company, browser: Browser, link: str, named: Townsperson, person: Townsperson) -> Answer:
    """From the link through the network's sign-in as `person`; gives the page that the bank shows at the return."""
    account = f"@{company.scene.handle(named)}"
    leaving = await name_account(browser, await begin(browser, link), account, "sign_in")
    back = await company.scene.approve(browser, leaving, person)
    return await browser.go_on(back, callback_of(company))


async def code_in_messages(company: Company, browser: Browser, person: Townsperson) -> str:
    """The code in the bank's newest direct message to this person, waiting for it."""

    async def look() -> str | None:
        found = CODE.findall(await company.scene.messages(browser, person))
        return str(found[-1]) if found else None

    code = await until(look, "a direct message with a code")
    company.story.secrets.add(code)
    return code


async def prove_by_sms(company: Company, browser: Browser, page: Answer, person: Townsperson) -> Answer:
    """Type a customer number and the code that comes to that customer's phone; gives the confirmation page."""
    before = len(await company.arrived(person.phone))
    asked = await browser.submit(page, page.path, identifier=person.customer_number, method="sms")
    typing = (await browser.go_on(asked, f"{page.path}/code")).expect(200)
    code = await company.code_on_phone(person, after=before)
    checked = await browser.submit(typing, typing.path, code=code)
    return (await browser.go_on(checked, page.path.replace("/customer", "/confirm"))).expect(200)


async def confirm(browser: Browser, page: Answer) -> Answer:
    """Accept the notice and enter; gives the room."""
    return (await browser.go_on(await browser.submit(page, page.path, accept="yes"), "/room")).expect(200)


async def prove_at_provider(company: Company, browser: Browser, leaving: Answer, customer_number: str) -> Answer:
    """Over to the KYC stub, be whoever has this number, and back; gives what the bank answers there."""
    identity = company.site("identity")
    there = (await browser.follow(leaving.expect(200), leaving.link_to(identity))).expect(200)
    chosen = await browser.submit(there, "/authorize", person=customer_number)
    return await browser.go_on(chosen, f"{company.site('bank')}/identity/{KYC}/callback")


async def step_up(company: Company, browser: Browser, customer_number: str) -> Answer:
    """Ask for a higher level in the room and prove to be somebody; gives what the bank answers at the return."""
    room = (await browser.open(f"{company.site('bank')}/room")).expect(200)
    leaving = await browser.submit(room, "/room/step-up", method=f"identity:{KYC}")
    return await prove_at_provider(company, browser, leaving, customer_number)


def level_of(room: Answer) -> int:
    """The level that a room's page shows."""
    found = LEVEL.search(room.page.words)
    return int(present(found, "the room shows no level").group(1))
