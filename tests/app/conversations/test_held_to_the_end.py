"""A held answer from end to end: held, announced, freed by the level, or gone unread, of which the desk is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.conversations import committing, queries, sweeping
from app.conversations.models import Conversation, Message
from app.conversations.queries import Window, entries_for_customer, entries_for_staff
from app.conversations.rules import HELD_FOR
from app.conversations.stream import begin_watch, staff_stream
from app.database import reading
from app.permissions import DataClass, Level
from app.web.room_entries import messages_of
from tests.app.conversations.readers import reading as listening
from tests.support.house import House, Room

TEXT = "Il saldo è di 1.234,56 euro."
MORE = "Il documento scade a marzo."


async def lines(house: House, room: Room, side: str) -> list[str]:
    """What a page shows: texts, and lines of the service by name."""
    async with reading(house.services) as db:
        if side == "agent":
            entries = await entries_for_staff(db, await db.get_one(Conversation, room.id), Window())
        else:
            entries = await entries_for_customer(db, room.customer, Window())
    shown = messages_of(entries, side="agent" if side == "agent" else "customer", names={}, read_by_other=0)
    return [line.service or line.text for line in shown]


async def waiting(house: House, room: Room) -> list[str]:
    async with reading(house.services) as db:
        return [kind for kind, _ in await queries.waiting_answers(db, room.id)]


async def test_what_expires_unread_leaves_a_leaf_tells_the_desk_and_says_nothing_to_the_customer(house: House) -> None:
    room = await house.room(Level.L2)
    await house.answer(room, TEXT, chosen=DataClass.ACCOUNT)
    await house.answer(room, MORE, chosen=DataClass.IDENTITY)
    assert await waiting(house, room) == ["account", "identity"]
    house.clock.pass_by(seconds=HELD_FOR.total_seconds())
    assert await waiting(house, room) == [], "what is overdue is not promised any more"
    assert await sweeping.expire(house.services) == 2
    assert [leaf["actor"]["k"] for leaf in await house.leaves("message.expired")] == ["system", "system"]
    assert await lines(house, room, "agent") == ["answer_expired"]
    assert await lines(house, room, "customer") == []
    assert [(row.state, row.n) for row in await house.all(Message)] == [("expired", None)] * 2
    await house.check_streams()


async def test_the_desks_open_page_looks_again_when_an_answer_expires(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "HELD_FOR", timedelta(minutes=1))
    room = await house.room(Level.L2)
    await house.answer(room, TEXT, chosen=DataClass.ACCOUNT)
    watch = await begin_watch(house.services, house.anna, room.id, 0)
    async with listening(staff_stream(house.services, house.anna, watch)) as reader:
        await reader.until(lambda items: bool(items))
        house.clock.pass_by(minutes=1)
        assert await sweeping.expire(house.services) == 1
        await reader.until(lambda items: any(getattr(item, "kind", "") == "held_expired" for item in items))
    assert TEXT not in reader.texts


async def test_a_raise_and_the_expiry_at_the_same_moment_leave_each_answer_in_one_state(house: House) -> None:
    room = await house.room(Level.L2)
    for number in range(4):
        await house.answer(room, f"{TEXT} {number}", chosen=DataClass.ACCOUNT)
        house.clock.pass_by(minutes=1)
    # Two are over, two are not.
    house.clock.now += HELD_FOR - timedelta(minutes=3)
    await asyncio.gather(
        house.come_back(room, Level.L3), sweeping.expire(house.services), sweeping.expire(house.services)
    )
    states = sorted(row.state for row in await house.all(Message))
    assert states == ["expired", "expired", "sent", "sent"]
    events = [*await house.leaves("message.released"), *await house.leaves("message.expired")]
    assert len({leaf["data"]["id"] for leaf in events}) == len(events) == 4
    await house.check_streams()


async def test_what_needs_more_than_the_new_level_goes_on_waiting(house: House) -> None:
    room = await house.room(Level.L2)
    await house.answer(room, TEXT, chosen=DataClass.ACCOUNT)
    await house.answer(room, MORE, chosen=DataClass.IDENTITY)
    room = await house.come_back(room, Level.L3)
    assert await waiting(house, room) == ["identity"]
    assert TEXT in await lines(house, room, "customer")
    assert MORE not in await lines(house, room, "customer")
