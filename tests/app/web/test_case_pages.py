"""A case over HTTP, as its agent, a supervisor and an insider without the case see it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from app.cases.rules import Outcome
from app.conversations.models import Conversation
from app.conversations.posting import post_message
from app.handover.models import Reply
from app.web.case_view import OUTCOMES, SHOWN_OUTCOMES
from tests.app.binding.bank import customer_of
from tests.app.web.staff_desk import GOOD, Desk, claimed, in_room


async def test_second_claim_is_refused_and_says_so(desk: Desk) -> None:
    _, case = await claimed(desk)
    other = await desk.signed_in("luca")
    html = await other.refused(f"/cases/{case.id}/claim", 409)
    assert "Somebody else has claimed this case." in html
    assert "un bollo addebitato due volte?" in html


async def test_reading_a_case_and_its_room_leaves_a_leaf_each(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    await window.see(f"/cases/{case.id}")
    read = await desk.events("case.read")
    assert read[-1]["stream"] == f"case:{case.id}"
    rooms = [leaf for leaf in await desk.events("room.read") if leaf["actor"]["k"] == "agent"]
    assert rooms[-1]["stream"] == f"room:{bound.conversation_id}:access"
    assert rooms[-1]["actor"]["id"] == str(desk.ids["anna"])


async def test_room_leaf_is_durable_before_a_text_is_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    window, case, bound = await in_room(desk)
    await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, "Segreto", client_key="k1")

    async def broken(*_: Any) -> str:
        raise RuntimeError("the vault is away")

    monkeypatch.setattr("app.conversations.queries.message_text", broken)
    await window.see(f"/cases/{case.id}", 500)
    assert [leaf for leaf in await desk.events("room.read") if leaf["actor"]["k"] == "agent"]


async def test_agent_without_the_case_sees_the_public_thread_and_nothing_of_the_room(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, "Solo per voi", client_key="k1")
    luca = await desk.signed_in("luca")
    html = await luca.see(f"/cases/{case.id}")
    assert "un bollo addebitato due volte?" in html
    assert "This case is not yours." in html
    for hidden_from_luca in ("Solo per voi", "Giulia Ferraro", "data-stream", "No room yet"):
        assert hidden_from_luca not in html
    assert await desk.events("room.refused") == []


async def test_insider_without_the_case_is_refused_everywhere_with_a_leaf(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    luca, room = await desk.signed_in("luca"), f"/conversations/{bound.conversation_id}"
    html = await luca.see(f"/cases/{case.id}?room={bound.conversation_id}", 403)
    assert "This room is not yours." in html
    assert "Giulia Ferraro" not in html
    await luca.refused(f"{room}/messages", 403, text="Salve", data_class="case", idempotency_key="k")
    await luca.refused(f"{room}/step-up", 403, level="3")
    await luca.see(f"{room}/events", 403)
    acts = [leaf["data"]["act"] for leaf in await desk.events("room.refused")]
    assert acts == ["read", "write", "step_up", "watch"]
    for act, fields in (
        ("notes", {"text": "x"}),
        ("close", {"outcome": "resolved"}),
        ("transfer", {"agent": str(desk.ids["luca"]), "reason": "give it to me"}),
        ("replies", {"text": GOOD, "intent": "publish", "idempotency_key": "k"}),
    ):
        assert "This case is not yours." in await luca.refused(f"/cases/{case.id}/{act}", 403, **fields)
    assert len(await desk.events("case.refused")) == 4
    assert await desk.bank.all(Reply) == []


async def test_note_stays_with_the_desk_and_transfer_takes_the_case_along(desk: Desk) -> None:
    anna, case, bound = await in_room(desk)
    await anna.send(f"/cases/{case.id}/notes", text="Terzo caso oggi")
    answer = await anna.send(f"/cases/{case.id}/transfer", agent=str(desk.ids["luca"]), reason="Fine turno")
    assert answer.headers["location"] == f"/cases/{case.id}"
    luca = await desk.signed_in("luca")
    html = await luca.see(f"/cases/{case.id}")
    assert "Terzo caso oggi" in html
    assert "Fine turno" in html
    assert "data-stream" in html
    await anna.see(f"/conversations/{bound.conversation_id}/events", 403)


async def test_transfer_to_nobody_of_the_desk_changes_nothing(desk: Desk) -> None:
    anna, case = await claimed(desk)
    for agent in ("nonsense", str(uuid4()), str(desk.ids["paolo"])):
        answer = await anna.client.post(f"/cases/{case.id}/transfer", data={"agent": agent, "reason": "Fine turno"})
        assert answer.status_code in (404, 422)
    assert (await desk.case(case.slug)).assigned_to == desk.ids["anna"]
    assert "Fine turno" not in await anna.see(f"/cases/{case.id}")


async def test_a_case_goes_back_to_the_queue_and_anybody_may_claim_it(desk: Desk) -> None:
    anna, case = await claimed(desk)
    await anna.send(f"/cases/{case.id}/transfer", agent="", reason="Fine turno")
    back = await desk.case(case.slug)
    assert (back.assigned_to, back.status) == (None, "open")
    assert "Fine turno" in await anna.see(f"/cases/{case.id}")


async def test_closing_a_case_closes_its_room_and_keeps_the_note(desk: Desk) -> None:
    anna, case, bound = await in_room(desk)
    await anna.refused(f"/cases/{case.id}/close", 422, outcome="nonsense")
    await anna.send(f"/cases/{case.id}/close", outcome="not_ours", note="Era per un'altra banca")
    html = await anna.see(f"/cases/{case.id}")
    assert "Not a complaint about us" in html
    assert "Era per un'altra banca" in html
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert room.state == "closed"
    refused = await anna.refused(
        f"/conversations/{room.id}/messages", 409, text="Ancora", data_class="case", idempotency_key="k"
    )
    assert "This conversation is closed." in refused


async def test_case_that_does_not_exist_is_not_found(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    await window.see(f"/cases/{uuid4()}", 404)
    await window.see("/cases/rubbish", 422)
    _, case = await claimed(desk, "luca")
    await window.see(f"/cases/{case.id}?room={uuid4()}", 404)


def test_every_outcome_that_the_api_takes_has_a_word_on_the_page() -> None:
    assert set(SHOWN_OUTCOMES) == {outcome.value for outcome in Outcome}
    assert set(SHOWN_OUTCOMES.values()) == set(OUTCOMES)
