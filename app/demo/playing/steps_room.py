"""In the room: live both ways, answers that wait for a level, what others try, what is never taken, the end."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from app.demo import cast
from app.demo.playing.cookies import CookieJar
from app.demo.playing.holding import present, require, until
from app.demo.playing.http_client import Answer
from app.demo.playing.live import listening
from app.demo.playing.people import Company
from app.demo.playing.steps_public import require_neutral
from app.demo.playing.walking import (
    answered_link,
    case_of,
    confirm,
    level_of,
    posted_reply,
    prove_by_sms,
    sign_in,
    step_up,
    thread_with,
)
from app.sessions.dependencies import VISITOR_COOKIE

HELLO: Final = "Buonasera, sono Giulia: perché il bollo due volte?"
HELLO_BACK: Final = "Buonasera Giulia, sono Anna. Guardo subito la sua segnalazione."
WHILE_AWAY: Final = ("Ho trovato la pratica.", "Un momento ancora, grazie per la pazienza.")
ACCOUNT_ANSWER: Final = "Il bollo di 34,20 euro è stato addebitato due volte sul suo conto; il secondo è stornato."
CARD: Final = "La mia carta è 4111 1111 1111 1111, controllate lì."
WAITING: Final = "An answer is waiting for you"
PUBLIC_AGAIN: Final = "@bancaesempio lo storno però non lo vedo ancora."
CLOSING: Final = "Grazie Giulia, contenti di aver chiarito insieme. Buona giornata!"


def _desk(company: Company) -> str:
    return f"/conversations/{company.story.room_id}"


async def _room(company: Company) -> Answer:
    return (await company.giulia.open(f"{company.site('bank')}/room")).expect(200)


async def live(company: Company) -> None:
    """Each hears the other by the stream; after a broken connection the rest follows without a gap."""
    anna, giulia, story, desk = company.anna, company.giulia, company.story, _desk(company)
    room = present(story.room, "Giulia is not in the room")
    async with listening(anna.listen(f"{desk}/events")) as at_desk:
        async with listening(giulia.listen(room, "/room/events", 0)) as at_home:
            (await giulia.write(room, "/room/messages", text=HELLO)).expect(201)
            require((await at_desk.wait_for_text(HELLO))["sender"] == "customer", "Anna does not see who wrote")
            said = {"text": HELLO_BACK, "data_class": "case"}
            (await anna.post(f"{desk}/messages", said)).expect(201)
            heard = await at_home.wait_for_text(HELLO_BACK)
            require(heard["name"] == cast.ANNA.name or heard["name"], "Giulia does not see who answers")
            last = at_home.last_id
        for text in WHILE_AWAY:
            (await anna.post(f"{desk}/messages", {"text": text, "data_class": "case"})).expect(201)
    async with listening(giulia.listen(room, "/room/events", 0, last_event_id=last)) as again:
        for text in WHILE_AWAY:
            await again.wait_for_text(text)
        require(again.texts() == list(WHILE_AWAY), "the replay repeats or reorders")
        require(again.numbers() == [int(last) + 1, int(last) + 2], f"the replay after {last} gives {again.numbers()}")
    story.secrets.update({HELLO, HELLO_BACK, *WHILE_AWAY})


async def once(company: Company) -> None:
    """The same key gives one message, from either side; another text under it is refused."""
    anna, giulia, desk, key = company.anna, company.giulia, _desk(company), str(uuid4())
    room = await _room(company)
    before = len((await anna.get(f"{desk}/messages"))["items"])
    thanks = {"text": "Grazie!", "idempotency_key": key}
    numbers = [(await giulia.write(room, "/room/messages", **thanks)).expect(201).json()["n"] for _ in range(2)]
    require(numbers[0] == numbers[1], "Giulia's repeated message got a new number")
    (await giulia.write(room, "/room/messages", **thanks | {"text": "No."})).expect(422)
    said = {"text": "Prego.", "data_class": "case"}
    posted = [(await anna.post(f"{desk}/messages", said, key=key)).expect(201) for _ in range(2)]
    require(posted[0] == posted[1], "Anna's repeated message is another one")
    other = await anna.post(f"{desk}/messages", said | {"text": "No."}, key=key)
    other.expect_refusal(422, "idempotency_key_reused")
    after = len((await anna.get(f"{desk}/messages"))["items"])
    require(after == before + 2, f"{after - before} messages came of two")


async def held(company: Company) -> None:
    """An answer above Giulia's level waits: she learns that something waits, and nothing of it."""
    anna, giulia, desk = company.anna, company.giulia, _desk(company)
    lowered = await anna.post(f"{desk}/messages", {"text": ACCOUNT_ANSWER, "data_class": "case"})
    lowered.expect_refusal(422, "class_too_low")
    room = await _room(company)
    async with listening(giulia.listen(room, "/room/events", 0)) as stream:
        posted = (await anna.post(f"{desk}/messages", {"text": ACCOUNT_ANSWER})).expect(201)
        require((posted["state"], posted["n"]) == ("held", None), f"the answer is {posted['state']}")
        await stream.wait_for(lambda event: event.event == "look", "a sign that something waits")
        require("34,20" not in stream.everything(), "the stream gives the waiting answer away")
    page = await _room(company)
    require(page.says(WAITING), "the page does not say that an answer waits")
    require("34,20" not in page.text and "storn" not in page.text, "the page gives the waiting answer away")
    company.story.secrets.add(ACCOUNT_ANSWER)


async def other_customer(company: Company) -> None:
    """A step-up that names Mallory is refused; level and waiting answer stay as they are."""
    require_neutral((await step_up(company, company.giulia, cast.MALLORY.customer_number)).expect(403))
    page = await _room(company)
    require(level_of(page) == 2 and page.says(WAITING), "the refused step-up changed the room")
    require("34,20" not in page.text, "the refused step-up freed the answer")


async def stepped_up(company: Company) -> None:
    """As herself Giulia reaches L3, the answer is there, and the token from before is dead."""
    giulia, bank = company.giulia, company.bank.addresses
    old = present(giulia.jar.value("bank.localhost", VISITOR_COOKIE), "Giulia has no session")
    room = await _room(company)
    async with listening(giulia.listen(room, "/room/events", 0)) as stream:
        done = await step_up(company, giulia, cast.GIULIA.customer_number)
        await stream.wait_for(lambda event: event.event == "end", "the end of the old session's stream")
        require("34,20" not in stream.everything(), "the old session's stream gave the answer away")
    page = (await giulia.go_on(done, "/room")).expect(200)
    require(level_of(page) == 3 and page.says(ACCOUNT_ANSWER), "the step-up did not free the answer")
    company.thief.jar.put("bank.localhost", VISITOR_COOKIE, old)
    (await company.thief.open(f"{bank.url('bank')}/room")).expect(401)
    company.thief.jar = CookieJar()
    company.story.secrets.add(old)


async def _ask_to_step_up(company: Company, case_id: str) -> None:
    """Anna asks whoever is in the case's other room to prove more."""
    rooms = await company.anna.get(f"/cases/{case_id}/conversations")
    others = [room["id"] for room in rooms if room["id"] != company.story.room_id]
    require(len(others) == 1, f"the case has {len(others)} other rooms, not one")
    (await company.anna.post(f"/conversations/{others[0]}/step-up", {"level": 3})).expect(202)


def _require_empty(room: Answer) -> None:
    """Raise `DidNotHold` if the page shows anything of Giulia's conversation."""
    shown = [text for text in (HELLO, HELLO_BACK, *WHILE_AWAY, ACCOUNT_ANSWER, "Grazie!") if room.says(text)]
    require(not shown and '<li class="message' not in room.text.partition("<template")[0], "the room is not empty")


async def own_complaint(company: Company) -> None:
    """Mallory complains himself and proves himself: a room of his own, with nothing in it; no way to Giulia's."""
    mallory, person = company.mallory, cast.MALLORY
    link = await answered_link(company, person, company.passante)
    done = await sign_in(company, mallory, link, person, person)
    page = (await mallory.go_on(done)).expect(200)
    room = await confirm(mallory, await prove_by_sms(company, mallory, page, person))
    require(level_of(room) == 2, "a typed code gave more than L2")
    _require_empty(room)
    await _ask_to_step_up(company, str((await case_of(company, person))["id"]))
    require_neutral((await step_up(company, mallory, cast.GIULIA.customer_number)).expect(403))
    _require_empty((await mallory.open(f"{company.site('bank')}/room")).expect(200))


async def stolen_handle(company: Company) -> None:
    """Mallory takes over Giulia's account at the network and proves himself as customer: again an empty room."""
    thief, person = company.thief, cast.MALLORY
    done = await sign_in(company, thief, company.story.link, cast.GIULIA, cast.GIULIA)
    page = (await thief.go_on(done)).expect(200)
    room = await confirm(thief, await prove_by_sms(company, thief, page, person))
    _require_empty(room)
    await _ask_to_step_up(company, company.story.case_id)
    raised = await thief.go_on(await step_up(company, thief, person.customer_number), "/room")
    require(level_of(raised.expect(200)) == 3, "Mallory's own step-up did not count")
    _require_empty(raised)
    hers = await _room(company)
    require(level_of(hers) == 3 and hers.says(ACCOUNT_ANSWER), "Giulia was thrown out of her room")


async def insider(company: Company) -> None:
    """Luca does not work the case: he can neither read, watch, write nor ask for a step-up."""
    luca, desk = company.luca, _desk(company)
    for refused in (
        await luca.look(f"{desk}/messages"),
        await luca.look(f"{desk}/events"),
        await luca.post(f"{desk}/messages", {"text": "Buonasera", "data_class": "case"}),
        await luca.post(f"{desk}/step-up", {"level": 3}),
    ):
        refused.expect_refusal(403, "not_your_room")
    (await luca.post(f"/cases/{company.story.case_id}/notes", {"text": "Interessante."})).expect_refusal(
        403, "not_your_case"
    )


async def card_number(company: Company) -> None:
    """A full card number is refused kindly, and stored nowhere."""
    room, desk = await _room(company), _desk(company)
    before = (await company.anna.get(f"{desk}/messages"))["room"]["last_n"]
    refused = await company.giulia.submit(room, "/room/messages", text=CARD)
    require(refused.expect(422).says("Please never write full card numbers"), "the refusal does not explain itself")
    after = (await company.anna.get(f"{desk}/messages"))["room"]["last_n"]
    require(before == after, "the refused message has a number")
    company.story.secrets.add("4111 1111 1111 1111")


async def closing(company: Company) -> None:
    """Anna closes with an outcome, Giulia rates, a second public reply ends the thread where it began."""
    anna, story = company.anna, company.story
    (await anna.post(f"/cases/{story.case_id}/close", {"outcome": "explained"})).expect(200)
    page = await _room(company)
    rated = await company.giulia.submit(page, "/room/rating", stars="5", comment="Finalmente una risposta.")
    (await company.giulia.go_on(rated, "/room")).expect(200)
    case = await anna.get(f"/cases/{story.case_id}")
    got = (case["status"], case["outcome"], case["rating"])
    require(got == ("closed", "explained", 5), f"the closed case says {got}")
    await posted_reply(company, story.case_id, CLOSING, purpose="closing")
    await thread_with(company, company.passante, cast.GIULIA, CLOSING)


async def reopened(company: Company) -> None:
    """Giulia goes public again: the same case is open again, with fresh clocks."""
    await company.scene.say(company.giulia, cast.GIULIA, company.scene.wording(PUBLIC_AGAIN))

    async def look() -> dict[str, object] | None:
        case = await case_of(company, cast.GIULIA)
        return case if case["status"] != "closed" else None

    case = await until(look, "the case reopened")
    require(case["id"] == company.story.case_id and case["reopened"] == 1, "it is another case")
