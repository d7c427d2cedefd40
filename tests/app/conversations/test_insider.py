"""An insider without the case: refused at every door of a room, each time with a leaf that stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from app.actors import Staff
from app.cases import service as cases
from app.conversations import service
from app.conversations.errors import NotYourRoom
from app.conversations.models import Message, ReadMark, RoomWatch
from app.conversations.posting import post_message
from app.conversations.queries import Window
from app.conversations.reading import read_as_staff
from app.conversations.stream import begin_watch
from app.errors import Forbidden, NotFound
from app.ids import new_id
from app.permissions import Level
from tests.support.house import START, House

Act = Callable[[House, Staff, UUID], Awaitable[object]]
ACTS: dict[str, Act] = {
    "read": lambda house, staff, room: read_as_staff(house.services, staff, room, Window()),
    "post": lambda house, staff, room: post_message(house.services, staff, room, "Buongiorno", client_key="k"),
    "watch": lambda house, staff, room: begin_watch(house.services, staff, room, 0),
    "step_up": lambda house, staff, room: house.act(lambda db: service.request_step_up(db, staff, room, Level.L3)),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_colleague_without_the_case_is_refused_and_that_stays(house: House, act: str) -> None:
    room = await house.room()
    await house.say(room, "segreto")
    with pytest.raises(NotYourRoom) as refused:
        await ACTS[act](house, house.bruno, room.id)
    assert refused.value.status == 403
    [leaf] = await house.leaves("room.refused")
    assert (leaf["actor"]["id"], leaf["stream"]) == (str(house.bruno.id), f"room:{room.id}:access")
    assert leaf["data"] == {"reason": "not_assigned", "act": act}
    assert (len(await house.all(Message)), await house.all(RoomWatch), await house.all(ReadMark)) == (1, [], [])
    assert await house.leaves("room.read", "room.watching", "room.step_up_requested") == []


@pytest.mark.parametrize("act", ACTS)
async def test_a_card_number_in_somebody_elses_room_is_an_insiders_post_first(house: House, act: str) -> None:
    room = await house.room()
    if act != "post":
        await ACTS[act](house, house.anna, room.id)
        return
    with pytest.raises(NotYourRoom):
        await post_message(house.services, house.bruno, room.id, "4111 1111 1111 1111", client_key="k")
    assert [leaf["data"]["act"] for leaf in await house.leaves("room.refused")] == ["post"]
    assert await house.leaves("message.refused") == []


@pytest.mark.parametrize("act", ACTS)
async def test_who_sees_no_case_meets_no_room_and_one_that_is_not_there_looks_alike(house: House, act: str) -> None:
    room = await house.room()
    for staff, room_id in ((house.olga, room.id), (house.ada, room.id), (house.anna, new_id(START))):
        with pytest.raises((NotFound, Forbidden)):
            await ACTS[act](house, staff, room_id)
    assert await house.leaves("room.refused") == []


@pytest.mark.parametrize("act", ACTS)
async def test_a_case_that_changed_hands_takes_its_room_along(house: House, act: str) -> None:
    room = await house.room()
    await house.act(lambda db: cases.transfer(db, house.anna, room.case_id, house.bruno.id))
    with pytest.raises(NotYourRoom):
        await ACTS[act](house, house.anna, room.id)
    await ACTS[act](house, house.bruno, room.id)


async def test_a_supervisor_reads_any_room_and_leaves_his_leaf(house: House) -> None:
    room = await house.room()
    await house.say(room, "domanda")
    page = await read_as_staff(house.services, house.sara, room.id, Window())
    assert [one.text for one in page.entries if one.text] == ["domanda"]
    [leaf] = await house.leaves("room.read")
    assert leaf["actor"]["id"] == str(house.sara.id)
