"""The way in: whose browser, whose handle, whose phone; guessing locked; the room at last."""

from __future__ import annotations

from typing import Final

from app.demo import cast
from app.demo.identity_sites import KYC
from app.demo.playing.holding import require
from app.demo.playing.live import listening
from app.demo.playing.people import Company
from app.demo.playing.steps_public import foreign_browser
from app.demo.playing.walking import (
    answered_link,
    begin,
    callback_of,
    code_in_messages,
    confirm,
    level_of,
    name_account,
    prove_at_provider,
    prove_by_sms,
)
from security.tokens import new_reference

LOCKED: Final = "Too many wrong tries"


async def foreign_finish(company: Company) -> None:
    """Giulia agrees at the network; opened by others, the address back is over; begun again it is hers, once."""
    giulia, scene = company.giulia, company.scene
    account = f"@{scene.handle(cast.GIULIA)}"
    leaving = await name_account(giulia, await begin(giulia, company.story.link), account, "sign_in")
    back = await scene.approve(giulia, leaving, cast.GIULIA)
    for browser in (company.mallory, company.phones, giulia):
        await foreign_browser(browser, back.location)
    leaving = await name_account(giulia, await begin(giulia, company.story.link), account, "sign_in")
    back = await scene.approve(giulia, leaving, cast.GIULIA)
    done = await giulia.go_on(back, callback_of(company))
    page = (await giulia.go_on(done, f"{company.story.path}/customer")).expect(200)
    ours = f"{account} at {scene.label} is yours."
    require(page.says(ours), "Giulia's own sign-in does not prove her handle")
    await foreign_browser(giulia, back.location)
    again = (await giulia.open(f"{company.story.link}/customer")).expect(200)
    require(again.says(ours), "a sign-in played again undid the proof")


async def guessing(company: Company) -> None:
    """Elena's handle by direct message; five wrong codes lock, the right one too; another way stays open."""
    elena, person = company.elena, cast.ELENA
    await company.scene.enter(elena, person)
    link = await answered_link(company, person, company.passante)
    await company.scene.say_privately(elena, person)
    account = f"@{company.scene.handle(person)}".title()
    asked = await name_account(elena, await begin(elena, link), account, "direct_message")
    typing = await elena.go_on(asked)
    code = await code_in_messages(company, elena, person)
    page = (await elena.go_on(await elena.submit(typing, typing.path, code=code))).expect(200)
    asked = await elena.submit(page, page.path, identifier=person.customer_number, method="sms")
    typing = (await elena.go_on(asked)).expect(200)
    right = await company.code_on_phone(person, after=0)
    wrong = f"{(int(right) + 1) % 10**8:08d}"
    statuses = [(await elena.submit(typing, typing.path, code=wrong)).status for _ in range(5)]
    require(statuses == [422] * 4 + [429], f"five wrong codes answered {statuses}")
    locked = (await elena.submit(typing, typing.path, code=right)).expect(429)
    require(locked.says(LOCKED) and "retry-after" in locked.headers, "the lock does not say so")
    page = (await elena.follow(locked, page.path)).expect(200)
    leaving = await elena.submit(page, page.path, method=f"identity:{KYC}")
    done = await prove_at_provider(company, elena, leaving, person.customer_number)
    room = await confirm(elena, (await elena.go_on(done)).expect(200))
    require(level_of(room) == 3, f"Elena is in the room at level {level_of(room)}")


async def way_in(company: Company) -> None:
    """Giulia types the code from her phone, sees only what she typed, accepts the notice, and is in at L2."""
    giulia, person, story = company.giulia, cast.GIULIA, company.story
    page = (await giulia.open(f"{story.link}/customer")).expect(200)
    confirmation = await prove_by_sms(company, giulia, page, person)
    require(confirmation.says(person.customer_number), "the confirmation does not show what was typed")
    revealed = [word for word in (person.name, person.phone, person.email) if confirmation.says(word)]
    require(not revealed, "the confirmation shows what only the bank knows")
    refused = await giulia.submit(confirmation, confirmation.path)
    refused.expect(422)
    story.room = await confirm(giulia, confirmation)
    require(level_of(story.room) == 2, f"Giulia is in the room at level {level_of(story.room)}")
    rooms = await company.anna.get(f"/cases/{story.case_id}/conversations")
    require(len(rooms) == 1 and rooms[0]["level"] == 2 and rooms[0]["customer_present"], "the desk does not see her")
    story.room_id = rooms[0]["id"]
    facts = (await company.anna.get(f"/bindings?case={story.case_id}"))["items"]
    require(len(facts) == 1 and facts[0]["level"] == 2, "the desk does not see the binding")


async def notice(company: Company) -> None:
    """A notice about the new link reached Giulia's phone, with the way to undo it."""
    await company.reference_on_phone(cast.GIULIA)


async def not_me(company: Company) -> None:
    """Elena says "this was not me": her room closes at once, stream and all; an unknown reference looks the same."""
    elena, bank = company.elena, company.site("bank")
    room = (await elena.open(f"{bank}/room")).expect(200)
    reference = await company.reference_on_phone(cast.ELENA)
    async with listening(elena.listen(room, "/room/events", 0)) as stream:
        told = []
        for typed in (new_reference(), reference):
            page = (await company.phones.open(f"{bank}/not-me")).expect(200)
            told.append((await company.phones.submit(page, "/not-me", reference=typed)).expect(200).page.words)
        require(told[0] == told[1], "the answer tells a known reference from an unknown one")
        await stream.wait_for(lambda event: event.event == "end", "the end of the revoked stream")
    (await elena.open(f"{bank}/room")).expect(401)
