"""Messages: stored once, in strict order, at the right class, refused with their leaf when they must never be stored."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from app.conversations import queries
from app.conversations.errors import ClassTooLow, MessageKeyReused, NeverHere, RoomLocked
from app.conversations.models import Conversation, Message
from app.conversations.posting import post_message
from app.database import reading
from app.errors import Invalid, NotFound, Unavailable
from app.ids import new_id
from app.permissions import DataClass, Level
from tests.support.house import START, House, Room

CARD = "La mia carta è 4111 1111 1111 1111, controllate."
IBAN = "Le abbiamo riaccreditato tutto su IT60X0542811101000000123456."


async def test_a_message_has_a_number_a_leaf_and_no_text_in_either_place(house: House) -> None:
    room = await house.room()
    posted = await house.say(room, "canarino-uno")
    [message] = await house.all(Message)
    assert (posted.n, posted.state, message.n, message.sender) == (2, "sent", 2, "customer")
    assert b"canarino" not in message.sealed_text + message.body_hash + message.client_key
    [leaf] = await house.leaves("message.sent")
    assert (leaf["data"]["number"], leaf["data"]["id"], leaf["stream"]) == (2, str(message.id), f"room:{room.id}")
    assert leaf["actor"] == {"k": "customer", "id": str(room.binding_id)}
    assert "canarino" not in json.dumps(await house.leaves())


async def test_twenty_posts_with_one_key_are_one_message(house: House) -> None:
    room = await house.room()
    answers = await asyncio.gather(*(house.say(room, "Buongiorno", key="k") for _ in range(20)))
    assert {(one.message_id, one.n) for one in answers} == {(answers[0].message_id, 2)}
    assert len(await house.all(Message)) == 1
    assert (await house.say(room, "Buongiorno", key="k")).message_id == answers[0].message_id


async def test_one_key_with_two_texts_is_an_error_and_harms_nobody(house: House) -> None:
    room = await house.room()
    await house.say(room, "Buongiorno", key="k")
    outcomes = await asyncio.gather(
        house.say(room, "Altro", key="k"), house.say(room, "Terzo", key="l"), return_exceptions=True
    )
    assert isinstance(outcomes[0], MessageKeyReused)
    assert outcomes[0].status == 422
    assert len(await house.all(Message)) == 2
    answer = await house.answer(room, "Risposta", key="k")
    assert answer.state == "sent"
    with pytest.raises(MessageKeyReused):
        await house.answer(room, "Risposta", key="k", chosen=DataClass.CASE)


async def test_a_room_keeps_the_order_of_its_posts(house: House) -> None:
    rooms = [await house.room() for _ in range(3)]

    async def talk(room: Room) -> None:
        for number in range(15):
            await house.say(room, str(number))

    await asyncio.gather(*map(talk, rooms))
    for room in rooms:
        async with reading(house.services) as db:
            entries = await queries.entries_for_customer(db, room.customer, queries.Window(after=0))
        numbers = [one.n for one in entries]
        assert numbers == list(range(1, 17))
        assert [one.text for one in entries if one.text] == [str(number) for number in range(15)]
    await house.check_streams()


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_message_needs_a_key(house: House, key: str) -> None:
    room = await house.room()
    with pytest.raises(Invalid):
        await post_message(house.services, room.customer, room.id, "Buongiorno", client_key=key)


async def test_a_card_number_is_refused_in_both_directions_and_stored_nowhere(house: House) -> None:
    room = await house.room()
    with pytest.raises(NeverHere) as refused:
        await house.say(room, CARD)
    assert (refused.value.status, "4111" in refused.value.message) == (422, False)
    with pytest.raises(NeverHere):
        await house.answer(room, CARD, chosen=DataClass.IDENTITY)
    assert await house.all(Message) == []
    leaves = await house.leaves("message.refused", stream=f"room:{room.id}:access")
    assert [(leaf["actor"]["k"], leaf["data"]) for leaf in leaves] == [
        ("customer", {"reason": "never_here", "class": "never"}),
        ("agent", {"reason": "never_here", "class": "never"}),
    ]
    # all of it: four digits alone stand in some hash by chance
    told = json.dumps(await house.leaves())
    assert all(digits not in told for digits in ("4111 1111", "41111111"))


async def test_an_agent_cannot_choose_a_class_below_what_the_guard_reads(house: House) -> None:
    room = await house.room(Level.L4)
    for chosen in (DataClass.GENERAL, DataClass.CASE):
        with pytest.raises(ClassTooLow):
            await house.answer(room, IBAN, chosen=chosen)
    assert len(await house.leaves("message.refused")) == 2
    assert (await house.answer(room, IBAN)).data_class in ("account", "identity")
    assert (await house.answer(room, "Buongiorno", chosen=DataClass.GENERAL)).data_class == "general"
    assert (await house.answer(room, "Buongiorno")).data_class == "account"


@pytest.mark.parametrize(("level", "kind"), [(Level.L2, "case"), (Level.L3, "account"), (Level.L4, "account")])
async def test_the_customers_text_has_the_class_of_the_level_it_was_written_at(
    house: House, level: Level, kind: str
) -> None:
    assert (await house.say(await house.room(level), "Buongiorno")).data_class == kind


async def test_an_actor_who_claims_another_level_or_session_is_nobody(house: House) -> None:
    room, other = await house.room(Level.L2), await house.room()
    for customer in (
        replace(room.customer, level=4),
        replace(room.customer, session_id=other.customer.session_id),
        replace(room.customer, session_id=new_id(START)),
        replace(other.customer, conversation_id=room.id),
    ):
        with pytest.raises(RoomLocked):
            await post_message(house.services, customer, room.id, "Buongiorno", client_key="k")
    assert await house.all(Message) == []


async def test_a_room_that_is_not_there_is_not_found(house: House) -> None:
    room = await house.room()
    for actor in (house.anna, room.customer):
        with pytest.raises(NotFound):
            await post_message(house.services, actor, new_id(START), "Buongiorno", client_key="k")


async def test_without_a_lane_nothing_is_taken(house: House) -> None:
    room = await house.room()
    lane, house.services.lane = house.services.lane, None
    with pytest.raises(Unavailable):
        await house.say(room, "Buongiorno")
    house.services.lane = lane
    assert (await house.one(Conversation, room.id)).last_n == 1
