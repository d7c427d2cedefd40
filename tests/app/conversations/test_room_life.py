"""A room's life: one customer session at a time, locked and closed and opened again, each with its leaf and event."""

from __future__ import annotations

import pytest

from app.actors import SYSTEM
from app.cases import service as cases
from app.cases.rules import Outcome
from app.conversations import service
from app.conversations.errors import RoomClosed, RoomLocked
from app.conversations.models import Conversation, RoomEvent
from app.conversations.queries import Window
from app.conversations.reading import read_as_customer
from app.errors import Forbidden, NotFound
from app.ids import new_id
from app.permissions import Level
from tests.support.house import START, House, Room


async def events(house: House, room: Room) -> list[str]:
    rows = [row for row in await house.all(RoomEvent) if row.conversation_id == room.id]
    assert [row.n for row in sorted(rows, key=lambda row: row.n)] == list(range(1, len(rows) + 1))
    return [row.kind for row in sorted(rows, key=lambda row: row.n)]


async def story(house: House, room: Room) -> list[str]:
    return [leaf["t"] for leaf in await house.leaves(stream=f"room:{room.id}")]


async def closed(house: House, room: Room) -> None:
    await house.act(lambda db: cases.close(db, house.anna, room.case_id, Outcome.RESOLVED))
    await house.act(lambda db: service.close_rooms_of_case(db, house.anna, room.case_id))


async def test_a_room_is_opened_and_entered_with_its_leaves(house: House) -> None:
    room = await house.room(Level.L3)
    assert await story(house, room) == ["room.opened", "room.entered"]
    assert await events(house, room) == ["level"]
    row: Conversation = await house.one(Conversation, room.id)
    assert (row.level, row.session_id, row.state) == (3, room.customer.session_id, "open")


async def test_leaving_empties_the_room_once_and_says_why(house: House) -> None:
    room = await house.room()
    await house.act(lambda db: service.vacate(db, room.id, reason="left", actor=room.customer))
    await house.act(lambda db: service.vacate(db, room.id, reason="locked", actor=SYSTEM))
    assert await story(house, room) == ["room.opened", "room.entered", "room.left"]
    assert await events(house, room) == ["level", "lock"]
    row: Conversation = await house.one(Conversation, room.id)
    assert (row.session_id, row.level) == (None, 3)
    with pytest.raises(RoomLocked):
        await house.say(room, "ancora")


async def test_a_closed_room_is_read_but_not_written_and_opens_when_its_customer_returns(house: House) -> None:
    room = await house.room()
    await house.say(room, "prima")
    await closed(house, room)
    for act in (house.say(room, "dopo"), house.answer(room, "dopo")):
        with pytest.raises(RoomClosed):
            await act
    with pytest.raises(RoomClosed):
        await house.act(lambda db: service.request_step_up(db, house.anna, room.id, Level.L3))
    page = await read_as_customer(house.services, room.customer, Window())
    assert [one.text for one in page.entries if one.text] == ["prima"]
    room = await house.come_back(room, Level.L3)
    assert (await house.say(room, "eccomi")).state == "sent"
    assert (await story(house, room))[-4:] == ["room.closed", "room.reopened", "room.entered", "message.sent"]


async def test_a_repeated_message_of_a_closed_room_still_gets_its_answer(house: House) -> None:
    room = await house.room()
    first = await house.say(room, "prima", key="k")
    await closed(house, room)
    assert await house.say(room, "prima", key="k") == first


async def test_closing_a_case_closes_its_own_rooms_only(house: House) -> None:
    room, other = await house.room(), await house.room()
    await closed(house, room)
    assert (await house.say(other, "qui si parla")).state == "sent"


async def test_a_step_up_can_be_asked_for_and_raises_nothing(house: House) -> None:
    room = await house.room(Level.L2)
    await house.act(lambda db: service.request_step_up(db, house.anna, room.id, Level.L4))
    assert await events(house, room) == ["level", "step_up_requested"]
    assert (await house.one(Conversation, room.id)).level == 2
    for login in ("olga", "ada"):
        with pytest.raises(Forbidden):
            await house.act(
                lambda db, login=login: service.request_step_up(db, house.staff[login], room.id, Level.L4)  # type: ignore[misc]
            )


async def test_a_room_that_is_not_there_cannot_be_entered_or_left(house: House) -> None:
    missing, room = new_id(START), await house.room()
    with pytest.raises(NotFound):
        await house.act(lambda db: service.vacate(db, missing, reason="left", actor=SYSTEM))
    with pytest.raises(NotFound):
        await house.act(
            lambda db: service.enter(
                db,
                missing,
                session_id=room.customer.session_id,
                level=Level.L3,
                case_id=room.case_id,
                actor=room.customer,
            )
        )


async def test_a_revoked_binding_leaves_no_level_and_nobody_writes_into_its_room(house: House) -> None:
    room = await house.room()
    await house.act(lambda db: service.vacate(db, room.id, reason="revoked", actor=SYSTEM))
    await house.act(lambda db: service.vacate(db, room.id, reason="revoked", actor=SYSTEM))
    after = await house.one(Conversation, room.id)
    assert (after.state, after.level, after.session_id) == ("closed", 0, None)
    with pytest.raises(RoomClosed):
        await house.answer(room, "Le scrivo ancora")
    assert [leaf["data"] for leaf in await house.leaves("room.closed")] == [{"reason": "revoked"}]
