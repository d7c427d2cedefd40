"""People inside: an agent without the case, a supervisor with a text of his own, officers and who is none; revocation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import pytest

from app.actors import SYSTEM
from app.agents import service as agents
from app.agents.service import NewStaff
from app.cases.models import Case
from app.database import reading, transaction
from app.demo import cast
from app.demo.cast import Colleague
from app.demo.playing.holding import until
from app.demo.playing.live import LiveStream, listening
from app.demo.playing.walking import confirm, prove_by_sms, step_up
from app.sessions import rules
from security import totp
from security.tokens import new_slug
from tests.attacks.town import NOBODY, Town, Who, case_of, enter_room, prove_handle

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The stream looks once a second; the rest is a loaded machine.
AT_ONCE: Final = 1.0 + 1.0
IBAN: Final = "Buongiorno, il rimborso arriva su IT60X0542811101000000123456."
WHY: Final = "Deve uscire adesso, lo chiede la direzione."


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid4())}


async def test_an_insider_without_the_case_is_refused_by_every_verb_and_leaves_leaves(town: Town) -> None:
    """Luca at Giulia's room and case, by API and by console: 403 in one voice, a leaf each, nothing done."""
    room, case = town.giulia.room_id, town.giulia.case_id
    api, console = Who(bearer=await town.mint(cast.LUCA)), Who(staff=await town.mint(cast.LUCA, rules.STAFF))
    luca, link = str(town.staff_ids["luca"]), await town.link_of_room(room)
    rooms: tuple[tuple[str, str, Any], ...] = (
        ("GET", f"/api/v1/conversations/{room}/messages", None),
        ("GET", f"/api/v1/conversations/{room}/events", None),
        ("POST", f"/api/v1/conversations/{room}/messages", {"text": "Buonasera.", "data_class": "case"}),
        ("POST", f"/api/v1/conversations/{room}/messages", {"text": "Carta 4111 1111 1111 1111."}),
        ("POST", f"/api/v1/conversations/{room}/step-up", {"level": 3}),
    )
    cases: tuple[tuple[str, str, Any], ...] = (
        ("POST", f"/api/v1/cases/{case}/notes", {"text": "Interessante."}),
        ("POST", f"/api/v1/cases/{case}/replies", {"text": "Buonasera Giulia."}),
        ("POST", f"/api/v1/cases/{case}/transfer", {"to": luca}),
        ("POST", f"/api/v1/bindings/{link}/revoke", {"because": "suspicion"}),
        ("POST", f"/api/v1/cases/{case}/close", {"outcome": "resolved"}),
    )
    pages: tuple[tuple[str, str, dict[str, str] | None], ...] = (
        ("GET", f"/conversations/{room}/events", None),
        ("POST", f"/conversations/{room}/messages", {"text": "Buonasera.", "idempotency_key": "x"}),
        ("POST", f"/conversations/{room}/step-up", {"level": "3"}),
        ("POST", f"/conversations/{room}/revoke", {"because": "suspicion"}),
        ("GET", f"/cases/{case}?room={room}", None),
        ("POST", f"/cases/{case}/notes", {"text": "Interessante."}),
        ("POST", f"/cases/{case}/transfer", {"agent": luca, "reason": "La prendo io."}),
        ("POST", f"/cases/{case}/close", {"outcome": "resolved"}),
        ("POST", f"/cases/{case}/replies", {"text": "Ciao.", "intent": "publish", "idempotency_key": "x"}),
    )
    before = await town.count()
    refused = {event: len(await town.leaves(event)) for event in ("room.refused", "case.refused")}
    for wanted, calls in (("not_your_room", rooms), ("not_your_case", cases)):
        for method, path, document in calls:
            sent = await town.wire.send("staff", method, path, api, document=document, headers=key())
            assert (sent.status_code, sent.json()["code"]) == (403, wanted), (method, path, document)
    for method, path, form in pages:
        sent = await town.wire.send("staff", method, path, console, form=form)
        assert sent.status_code == 403, (method, path)
        assert "Giulia Esempi" not in sent.text
    taken = await town.wire.send("staff", "POST", f"/api/v1/cases/{case}/claim", api, headers=key())
    assert (taken.status_code, taken.json()["code"]) == (409, "already_claimed")
    after = await town.count()
    for table in (
        "messages",
        "customer_freezes",
        "case_notes",
        "replies",
        "room_events",
        "room_watches",
        "guard_blocks",
        "outbox",
    ):
        assert after[table] == before[table], table
    new = [leaf for event, known in refused.items() for leaf in (await town.leaves(event))[known:]]
    assert {leaf["actor"]["id"] for leaf in new} == {luca}
    assert len([leaf for leaf in new if leaf["t"] == "room.refused"]) >= len(rooms) + 4
    assert len([leaf for leaf in new if leaf["t"] == "case.refused"]) >= len(cases) + 4


async def test_who_works_no_cases_cannot_tell_a_room_from_nothing(town: Town) -> None:
    """Compliance and administration: the same 404 for Giulia's room and for one that does not exist."""
    for colleague in (cast.PAOLO, cast.ADA):
        api, console = Who(bearer=await town.mint(colleague)), Who(staff=await town.mint(colleague, rules.STAFF))
        for method, path, document in (
            ("GET", "/api/v1/conversations/{room}/messages", None),
            ("GET", "/api/v1/conversations/{room}/events", None),
            ("POST", "/api/v1/conversations/{room}/messages", {"text": "Buonasera.", "data_class": "case"}),
            ("POST", "/api/v1/conversations/{room}/messages", {"text": "Carta 4111 1111 1111 1111."}),
            ("GET", "/api/v1/cases/{case}", None),
            ("GET", "/api/v1/cases/{case}/replies", None),
            ("GET", "/api/v1/cases/{case}/blocks", None),
            ("GET", "/api/v1/cases/{case}/conversations", None),
            ("GET", "/api/v1/bindings?case={case}", None),
            ("POST", "/api/v1/cases/{case}/notes", {"text": "Interessante."}),
            ("POST", "/api/v1/cases/{case}/replies/check", {"text": "Interessante."}),
        ):
            answers = []
            for room, case in ((town.giulia.room_id, town.giulia.case_id), (uuid4(), uuid4())):
                sent = await town.wire.send(
                    "staff", method, path.format(room=room, case=case), api, document=document, headers=key()
                )
                body = sent.json() | {"instance": "", "request_id": ""}
                answers.append((sent.status_code, {name: value for name, value in body.items() if value}))
            assert answers[0] == answers[1], (method, path)
            assert answers[0][0] in (403, 404), (method, path)
        for path in ("/queue", f"/cases/{town.giulia.case_id}", f"/conversations/{town.giulia.room_id}/events"):
            assert (await town.wire.send("staff", "GET", path, console)).status_code in (403, 404), path


async def test_a_supervisor_cannot_let_a_text_of_his_own_leave(town: Town) -> None:
    """Second person means second: not the author, not an agent, and one decision only."""
    case_id = await case_of(town.people, cast.MARCO)
    sara = Who(bearer=await town.mint(cast.SARA))
    claim = f"/api/v1/cases/{case_id}/claim"
    assert (await town.wire.send("staff", "POST", claim, sara, headers=key())).status_code == 200
    blocked = await town.wire.send("staff", "POST", f"/api/v1/cases/{case_id}/replies", sara, document={"text": IBAN})
    assert blocked.status_code == 422
    override = f"/api/v1/blocks/{blocked.json()['block']}/override"
    known = len(await town.leaves("case.refused"))
    own = await town.wire.send("staff", "POST", override, sara, document={"reason": WHY}, headers=key())
    assert (own.status_code, own.json()["code"]) == (403, "second_person_needed")
    console = Who(staff=await town.mint(cast.SARA, rules.STAFF))
    form = {"intent": "override", "block": blocked.json()["block"], "override_reason": WHY, "text_hash": "0" * 64}
    assert (await town.wire.send("staff", "POST", f"/cases/{case_id}/replies", console, form=form)).status_code in (
        403,
        409,
    )
    leaf = (await town.leaves("case.refused"))[known]
    assert leaf["data"] == {"reason": "own_text", "act": "override"}
    for colleague in (cast.ANNA, cast.LUCA, cast.PAOLO, cast.ADA):
        who = Who(bearer=await town.mint(colleague))
        sent = await town.wire.send("staff", "POST", override, who, document={"reason": WHY}, headers=key())
        assert sent.status_code == 403, colleague.login
    assert await town.leaves("reply.overridden") == []


async def test_exports_and_evidence_are_refused_to_everybody_but_officers_with_a_leaf(town: Town) -> None:
    document = {"scope": "room", "conversation_id": str(town.giulia.room_id), "reason": "Vorrei vedere."}
    calls: tuple[tuple[str, str, Any], ...] = (
        ("POST", "/api/v1/exports", document),
        ("GET", "/api/v1/exports", None),
        ("GET", f"/api/v1/exports/{uuid4()}", None),
        ("GET", f"/api/v1/exports/{uuid4()}/bag", None),
        ("GET", "/api/v1/exports/trust", None),
        ("GET", "/api/v1/audit", None),
    )
    for colleague in (cast.ANNA, cast.LUCA, cast.SARA, cast.ADA):
        who = Who(bearer=await town.mint(colleague))
        known = len(await town.leaves("export.refused"))
        for method, path, body in calls:
            sent = await town.wire.send("staff", method, path, who, document=body, headers=key())
            assert sent.status_code in (403, 404), (colleague.login, method, path)
        console = Who(staff=await town.mint(colleague, rules.STAFF))
        assert (await town.wire.send("staff", "GET", "/exports", console)).status_code == 403
        page = await town.wire.send("staff", "POST", "/exports", console, form={"scope": "log", "reason": WHY})
        assert page.status_code == 403
        refused = (await town.leaves("export.refused"))[known:]
        assert len(refused) == len(calls) + 2
        assert {leaf["actor"]["id"] for leaf in refused} == {str(town.staff_ids[colleague.login])}
    assert (await town.count())["exports"] == 0


async def test_verify_tells_nothing_of_what_is_not_posted(town: Town) -> None:
    """A case without a reply, a blocked text, a text still on its way: the same no as for nonsense."""
    case_id = await case_of(town.people, cast.ELENA)
    async with reading(town.services) as db:
        silent = (await db.get_one(Case, case_id)).slug
    blocked = await town.desk["anna"].post(f"/cases/{town.giulia.case_id}/replies", {"text": IBAN})
    assert blocked.code == "guard_blocked"
    questions: list[str] = [f"{town.site('bank')}/c/{silent}", f"{town.site('bank')}/c/{new_slug()}"]
    questions += [IBAN, "x" * len(IBAN), f"@giulia {IBAN}", str(town.giulia.case_id), town.giulia.slug]
    answers = []
    for question in questions:
        sent = await town.wire.send("bank", "POST", "/verify", form={"text": question})
        assert sent.status_code == 200
        assert "Not one of ours" in sent.text, question
        words = sent.text.partition("<main")[2].replace(question, "QUESTION")
        answers.append((words, sorted(name for name in sent.headers if name != "date")))
    assert all(one == answers[0] for one in answers[1:])
    yes = await town.wire.send("bank", "POST", "/verify", form={"text": town.giulia.link})
    assert "Yes, this is our reply" in yes.text


@asynccontextmanager
async def watching(town: Town, site: str, path: str, who: Who) -> AsyncIterator[LiveStream]:
    """A stream that has begun."""
    async with listening(town.wire.stream(site, path, who)) as stream:
        await asyncio.sleep(0.2)
        yield stream


async def ends_at_once(stream: LiveStream) -> str:
    """The code of the stream's end, which must come within a second."""
    async with asyncio.timeout(AT_ONCE):
        event = await stream.wait_for(lambda one: one.event == "end", "the end of the stream")
    return str(event.data)


async def test_a_revoked_token_is_refused_at_once_and_its_stream_ends(town: Town) -> None:
    path, room = "/api/v1/tokens/current", town.giulia.room_id
    who = Who(bearer=await town.mint(cast.ANNA))
    async with watching(town, "staff", f"/api/v1/conversations/{room}/events", who) as stream:
        assert (await town.wire.send("staff", "DELETE", path, who)).status_code == 204
        assert (await town.wire.send("staff", "GET", "/api/v1/staff/me", who)).status_code == 401
        assert (await town.wire.send("staff", "DELETE", path, who)).status_code == 401
        assert "unauthenticated" in await ends_at_once(stream)
    console = Who(staff=await town.mint(cast.ANNA, rules.STAFF))
    async with watching(town, "staff", f"/conversations/{room}/events", console) as stream:
        assert (await town.wire.send("staff", "POST", "/signout", console)).status_code == 303
        assert "unauthenticated" in await ends_at_once(stream)
    assert (await town.wire.send("staff", "GET", "/queue", console)).status_code == 303


async def leaver(town: Town) -> tuple[Colleague, Who]:
    """A new supervisor, who will not stay."""
    colleague = Colleague(f"vito{uuid4().hex[:6]}", "Vito Passeggero", "Vito", cast.SARA.role)
    new = NewStaff(colleague.login, colleague.name, colleague.signature, colleague.role)
    async with transaction(town.services) as db:
        account, _ = await agents.add(db, SYSTEM, new, "a password long enough", totp.new_secret())
        town.staff_ids[colleague.login] = account.id
    return colleague, Who(bearer=await town.mint(colleague))


async def test_a_leaver_is_out_at_once_with_streams_tokens_and_sessions(town: Town) -> None:
    colleague, who = await leaver(town)
    console = Who(staff=await town.mint(colleague, rules.STAFF))
    events = f"/api/v1/conversations/{town.giulia.room_id}/events"
    async with watching(town, "staff", events, who) as stream:
        async with transaction(town.services) as db:
            await agents.deactivate(db, SYSTEM, town.staff_ids[colleague.login], "left")
        for path, whom in (("/api/v1/cases", who), ("/api/v1/staff/me", who), (events, who)):
            assert (await town.wire.send("staff", "GET", path, whom)).status_code == 401, path
        assert (await town.wire.send("staff", "GET", "/queue", console)).status_code == 303
        assert "unauthenticated" in await ends_at_once(stream)


async def test_who_gives_a_case_away_sees_no_further_message(town: Town) -> None:
    """Mallory's case goes from Luca to Anna: his stream ends, what is written then never reaches him."""
    case, room = town.mallory.case_id, town.mallory.room_id
    luca, anna = town.desk["luca"], town.desk["anna"]
    async with listening(luca.listen(f"/conversations/{room}/events")) as stream:
        await asyncio.sleep(0.2)
        (await luca.post(f"/cases/{case}/transfer", {"to": anna.id})).expect(200)
        said = {"text": "Solo per te, ora.", "data_class": "case"}
        (await anna.post(f"/conversations/{room}/messages", said)).expect(201)
        assert "not_your_room" in await ends_at_once(stream)
        assert "Solo per te" not in stream.everything()
    (await luca.look(f"/conversations/{room}/messages")).expect_refusal(403, "not_your_room")
    (await anna.post(f"/cases/{case}/transfer", {"to": luca.id})).expect(200)


async def test_this_was_not_me_ends_the_intruders_stream_and_session(town: Town) -> None:
    """The reference from the notice, typed by anybody: the binding is undone; a made-up one gets the same page."""
    people, thief = town.people, await town.bystander()
    await people.scene.enter(thief, cast.GIULIA)
    page = await prove_handle(people, thief, town.giulia.link, cast.GIULIA)
    await confirm(thief, await prove_by_sms(people, thief, page, cast.MARCO))
    who = Who(visitor=town.token_of(thief))

    async def look() -> str | None:
        texts = [*await people.arrived(cast.MARCO.phone), *await people.arrived(cast.MARCO.email)]
        found = [match.group() for text in texts if (match := re.search(r"[A-Z0-9]{4}(-[A-Z0-9]{4}){2}", text))]
        return found[-1] if found else None

    reference = await until(look, "the notice")
    made_up = await town.wire.send("bank", "POST", "/not-me", form={"reference": "2345-6789-ABCD"})
    async with watching(town, "bank", "/room/events", who) as stream:
        undone = await town.wire.send("bank", "POST", "/not-me", form={"reference": reference})
        assert (
            await town.wire.send("bank", "POST", "/room/step-up", who, form={"method": "identity:demo-id"})
        ).status_code == 401
        assert "locked" in await ends_at_once(stream)
    assert (await town.wire.send("bank", "GET", "/room", who)).status_code == 401
    assert (undone.status_code, len(undone.content)) == (made_up.status_code, len(made_up.content))
    assert sorted(undone.headers) == sorted(made_up.headers)


async def test_leaving_and_stepping_up_end_the_old_sessions_stream(town: Town) -> None:
    people, browser = town.people, await town.bystander()
    await people.scene.enter(browser, cast.MALLORY)
    await enter_room(people, browser, town.mallory.link, cast.MALLORY)
    old = Who(visitor=town.token_of(browser))
    async with watching(town, "bank", "/room/events", old) as stream:
        await town.ask_for_step_up("luca", town.mallory.room_id)
        await browser.go_on(await step_up(people, browser, cast.MALLORY.customer_number), "/room")
        assert "room_locked" in await ends_at_once(stream)
    new = Who(visitor=town.token_of(browser))
    async with watching(town, "bank", "/room/events", new) as stream:
        assert (await town.wire.send("bank", "POST", "/room/leave", new, form={})).status_code == 200
        assert "room_locked" in await ends_at_once(stream)
    for who in (old, new, NOBODY):
        assert (await town.wire.send("bank", "GET", "/room", who)).status_code == 401
