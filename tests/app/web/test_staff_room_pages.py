"""The room in the console: messages, levels, proofs, several rooms of a case, and the stream."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from app.conversations import service as rooms_service
from app.conversations.models import Conversation, RoomWatch
from app.conversations.posting import post_message
from app.database import transaction
from app.permissions import Level
from tests.app.binding.bank import bound_by_identity, customer_of
from tests.app.web.staff_desk import STORNO, Desk, hidden, in_room


async def test_message_reaches_the_room_once_and_the_customer_reads_it(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    form = await window.see(f"/cases/{case.id}")
    path = f"/conversations/{bound.conversation_id}/messages"
    message = {
        "text": "Buongiorno, sono Anna.",
        "data_class": "case",
        "idempotency_key": hidden(form, "idempotency_key"),
    }
    for _ in range(2):
        answer = await window.send(path, **message)
        assert answer.headers["location"] == f"/cases/{case.id}"
    assert len(await desk.events("message.sent")) == 1
    assert "Buongiorno, sono Anna." in await window.see(f"/cases/{case.id}")


async def test_message_by_the_module_answers_with_its_number(desk: Desk) -> None:
    window, _, bound = await in_room(desk)
    path, json_please = f"/conversations/{bound.conversation_id}/messages", {"accept": "application/json"}
    sent = await window.client.post(
        path, data={"text": "Salve", "data_class": "case", "idempotency_key": "k1"}, headers=json_please
    )
    assert sent.status_code == 201
    assert sent.json()["n"] > 0
    held = await window.client.post(
        path, data={"text": STORNO, "data_class": "account", "idempotency_key": "k2"}, headers=json_please
    )
    assert (held.status_code, held.json()) == (201, {"n": None})
    refused = await window.client.post(
        path, data={"text": STORNO, "data_class": "case", "idempotency_key": "k3"}, headers=json_please
    )
    assert refused.status_code == 422
    assert refused.json()["code"] == "class_too_low"


async def test_answer_above_the_level_is_held_and_shown_as_held(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/messages"
    answer = await window.send(path, text=STORNO, data_class="account", idempotency_key="k1")
    assert answer.headers["location"] == f"/cases/{case.id}"
    html = await window.see(answer.headers["location"])
    assert "1 answer held" in html
    waiting = html[html.index("held-list") :].split("</ol>")[0]
    assert STORNO in waiting
    assert "Anna" in waiting
    assert "held until level 3" in html
    assert len(await desk.events("message.held")) == 1


async def test_refused_message_is_shown_again_with_what_was_typed(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/messages"
    html = await window.refused(path, 422, text=STORNO, data_class="case", idempotency_key="k1")
    assert "This text reveals more than the class you chose." in html
    assert f">{STORNO}</textarea>" in html
    card = await window.refused(
        path, 422, text="La carta 4111 1111 1111 1111?", data_class="identity", idempotency_key="k2"
    )
    assert "Please never write full card numbers" in card
    for fields in ({"data_class": "never"}, {"text": " "}, {"idempotency_key": ""}, {"text": "a\x00b"}):
        await window.refused(path, 422 if "\x00" not in fields.get("text", "") else 400, **{
            "text": "Salve", "data_class": "case", "idempotency_key": "k3", **fields
        })  # fmt: skip
    await window.refused(path, 413, text="a" * 4001, data_class="case", idempotency_key="k4")
    assert await desk.events("message.sent") == []
    assert f"/cases/{case.id}" in html


async def test_step_up_is_asked_in_the_room_and_only_for_real_levels(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/step-up"
    for level in ("", "2", "5", "three"):
        await window.refused(path, 422, level=level)
    answer = await window.send(path, level="3")
    html = await window.see(answer.headers["location"])
    assert "Asked to reach level 3." in html
    assert [leaf["data"]["level"] for leaf in await desk.events("room.step_up_requested")] == [3]
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert room.level == 2
    assert f"/cases/{case.id}" in answer.headers["location"]


async def test_proofs_and_level_stand_as_facts(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    html = await window.see(f"/cases/{case.id}")
    assert "Proved by sign-in at Square, 20:00" in html
    assert "Code to the phone on file, 20:00" in html
    assert "Level 2 of 4" in html
    assert "customer is here" in html
    assert "Giulia Ferraro" not in html, "one typed code opens nothing of the bank's files, not even to the agent"
    async with transaction(desk.bank.services) as db:
        await rooms_service.raise_level(
            db, bound.conversation_id, session_id=bound.session_id, level=Level.L3, actor=customer_of(bound)
        )
    assert "Giulia Ferraro" in await window.see(f"/cases/{case.id}")


async def test_supervisor_reads_any_room_and_leaves_a_leaf(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    sara = await desk.signed_in("sara")
    assert "data-stream" in await sara.see(f"/cases/{case.id}")
    last = (await desk.events("room.read"))[-1]
    assert last["actor"]["id"] == str(desk.ids["sara"])
    assert last["stream"] == f"room:{bound.conversation_id}:access"


async def test_two_rooms_of_a_case_never_mix(desk: Desk) -> None:
    window, case, first = await in_room(desk)
    services = desk.bank.services
    await post_message(services, customer_of(first), first.conversation_id, "Prima stanza", client_key="k1")
    desk.bank.clock.pass_by(minutes=1)
    second = await bound_by_identity(desk.bank, number="C-1002", slug=case.slug)
    await post_message(services, customer_of(second), second.conversation_id, "Seconda stanza", client_key="k2")
    newest = await window.see(f"/cases/{case.id}")
    assert "There is more than one room in this case." in newest
    assert "Seconda stanza" in newest
    assert "Marco Bianchi" in newest
    assert "Prima stanza" not in newest
    assert "Giulia Ferraro" not in newest
    assert f'data-page="/cases/{case.id}?room={second.conversation_id}"' in newest
    older = await window.see(f"/cases/{case.id}?room={first.conversation_id}")
    assert "Prima stanza" in older
    assert "Seconda stanza" not in older
    answer = await window.send(
        f"/conversations/{first.conversation_id}/messages", text="Eccomi", data_class="case", idempotency_key="k3"
    )
    assert answer.headers["location"] == f"/cases/{case.id}?room={first.conversation_id}"


async def test_long_room_shows_its_newest_messages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.room_entries.ENTRIES_ON_A_PAGE", 3)
    window, case, bound = await in_room(desk)
    for number in range(6):
        text = f"Riga numero {number}"
        await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, text, client_key=text)
    html = await window.see(f"/cases/{case.id}")
    assert re.findall(r"Riga numero \d", html) == ["Riga numero 3", "Riga numero 4", "Riga numero 5"]
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert f'data-cursor="{room.last_n}"' in html
    older = re.search(r'href="(/cases/[^"]*before=\d+)"', html)
    assert older
    before = await window.see(older.group(1).replace("&amp;", "&"))
    assert re.findall(r"Riga numero \d", before) == ["Riga numero 0", "Riga numero 1", "Riga numero 2"]


async def test_stream_is_a_lease_and_ends_with_the_session(desk: Desk) -> None:
    window, _, bound = await in_room(desk)
    room = bound.conversation_id
    await post_message(desk.bank.services, customer_of(bound), room, "Dal vivo", client_key="k1")
    stream = asyncio.create_task(window.client.get(f"/conversations/{room}/events", headers={"last-event-id": "0"}))
    for _ in range(200):
        if await desk.bank.all(RoomWatch):
            break
        await asyncio.sleep(0.02)
    await window.send("/signout")
    answer = await asyncio.wait_for(stream, 10)
    assert answer.headers["content-type"].startswith("text/event-stream")
    messages = re.findall(r"event: message\ndata: (.*)", answer.text.replace("\r\n", "\n"))
    assert [json.loads(one)["text"] for one in messages] == ["Dal vivo"]
    assert "event: end" in answer.text
    for _ in range(200):
        if (await desk.bank.all(RoomWatch))[0].ended_at is not None:
            break
        await asyncio.sleep(0.02)
    events = [leaf["t"] for leaf in await desk.bank.leaves(stream=f"room:{room}:access")]
    assert "room.watching" in events
    assert events[-1] == "room.watch_ended"
