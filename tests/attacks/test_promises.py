"""What README and threat model promise, tried at the doors as somebody would who does not believe it."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from app.demo import cast
from app.demo.playing.holding import until
from app.demo.playing.walking import confirm, prove_by_sms
from app.main import create_staff_app
from app.sessions import rules
from tests.architecture.routes import iter_routes
from tests.attacks.town import Town, Who, prove_handle

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEVER = {
    "a card": "La mia carta è 4111 1111 1111 1111.",
    "a card in pieces": "4 1 1 1-1111-1111-1111 è il numero",
    "a PIN": "il PIN è 482137",
}


async def level_of_giulias_room(town: Town) -> int:
    """As the desk is told."""
    rooms = await town.desk["anna"].get(f"/cases/{town.giulia.case_id}/conversations")
    return int(next(room["level"] for room in rooms if room["id"] == str(town.giulia.room_id)))


async def message(town: Town, login: str, **fields: Any) -> Any:
    """A message of the desk in Giulia's room, with whatever fields."""
    token = town.desk[login].token
    headers = {"idempotency-key": str(uuid4())}
    path = f"/api/v1/conversations/{town.giulia.room_id}/messages"
    return await town.wire.send("staff", "POST", path, Who(bearer=token), headers=headers, document=fields)


@pytest.mark.parametrize("login", ["anna", "sara"])
async def test_nobody_at_the_desk_can_raise_a_level(town: Town, login: str) -> None:
    before = await level_of_giulias_room(town)
    assert before == 2
    room = f"/conversations/{town.giulia.room_id}"
    for level in (3, 4):
        (await town.desk[login].post(f"{room}/step-up", {"level": level})).expect(202)
        assert (await town.desk[login].post(f"{room}/step-up", {"level": level, "granted": True})).status == 422
    assert (await message(town, login, text="Buongiorno", level=4)).status_code == 422
    held = await message(town, login, text="Il saldo è 1.250 euro.")
    assert (held.status_code, held.json()["state"]) == (201, "held")
    assert await level_of_giulias_room(town) == before
    bindings = (await town.desk[login].get(f"/bindings?case={town.giulia.case_id}"))["items"]
    assert {one["level"] for one in bindings} == {before}


async def test_no_route_of_the_desk_writes_a_binding(town: Town) -> None:
    """The bank can end one, and nothing else."""
    acts = {
        (method, path)
        for path, route in iter_routes(create_staff_app(town.bank.house))
        if isinstance(route, APIRoute) and "binding" in path
        for method in route.methods or ()
    }
    assert {act for act in acts if act[0] != "GET"} == {("POST", "/api/v1/bindings/{binding_id}/revoke")}


@pytest.mark.parametrize("name", sorted(NEVER))
async def test_what_may_never_be_written_is_refused_from_either_side_with_a_leaf_that_holds_none_of_it(
    town: Town, name: str
) -> None:
    text, before = NEVER[name], len(await town.leaves("message.refused"))
    stored = (await town.count())["messages"]
    form = {"text": text, "idempotency_key": str(uuid4())}
    visitor = Who(visitor=town.token_of(town.people.giulia))
    by_customer = await town.wire.send("bank", "POST", "/room/messages", visitor, form=form)
    by_agent = await message(town, "anna", text=text)
    assert (by_customer.status_code, by_agent.status_code) == (422, 422)
    assert by_agent.json()["code"] == "never_here"
    leaves = (await town.leaves("message.refused"))[before:]
    assert [leaf["actor"]["k"] for leaf in leaves] == ["customer", "agent"]
    assert [leaf["data"] for leaf in leaves] == [{"reason": "never_here", "class": "never"}] * 2
    # not "4111": among some hundred digits of hashes it turns up by chance
    words = [word for word in text.split() if len(word) > 5] + [text.replace(" ", "")[:16]]
    assert not any(word in json.dumps(leaves) for word in words)
    assert (await town.count())["messages"] == stored


async def test_the_desk_is_told_when_somebody_answers_this_was_not_me(town: Town) -> None:
    """The page says "the bank has been told": whoever works the case sees it beside the room."""
    people, thief = town.people, await town.bystander()
    await people.scene.enter(thief, cast.GIULIA)
    page = await prove_handle(people, thief, town.giulia.link, cast.GIULIA)
    await confirm(thief, await prove_by_sms(people, thief, page, cast.ELENA))
    room = await town.room_of_case(town.giulia.case_id)
    anna = Who(staff=await town.mint(cast.ANNA, kind=rules.STAFF))
    path = f"/cases/{town.giulia.case_id}?room={room}"
    assert "this was not me" not in (await town.wire.send("staff", "GET", path, anna)).text

    async def look() -> str | None:
        texts = [*await people.arrived(cast.ELENA.phone), *await people.arrived(cast.ELENA.email)]
        return next(
            (found.group() for text in texts if (found := re.search(r"[A-Z0-9]{4}(-[A-Z0-9]{4}){2}", text))), None
        )

    reference = await until(look, "the notice")
    await town.wire.send("bank", "POST", "/not-me", form={"reference": reference})
    assert "this was not me" in (await town.wire.send("staff", "GET", path, anna)).text
    other = f"/cases/{town.giulia.case_id}?room={town.giulia.room_id}"
    assert "this was not me" not in (await town.wire.send("staff", "GET", other, anna)).text
