"""What a session may see: at L2 its own time only, above that its classes; held answers come when proved, or never."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.actors import SYSTEM, Customer
from app.conversations import queries, service, sweeping
from app.conversations.errors import RoomLocked
from app.conversations.models import Conversation, Message
from app.conversations.queries import Entry, Window
from app.conversations.reading import read_as_customer, read_as_staff
from app.conversations.rules import HELD_FOR
from app.database import reading
from app.permissions import DataClass, Level
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.support.house import House, Room


async def seen(house: House, customer: Customer, **options: Any) -> list[Entry]:
    async with reading(house.services) as db:
        return await queries.entries_for_customer(db, customer, Window(**{"after": 0, **options}))


def texts(entries: list[Entry]) -> list[str]:
    return [one.text for one in entries if one.text is not None]


async def raised(house: House, room: Room, level: Level) -> Room:
    """The same session proves more, as binding does it."""
    customer = replace(room.customer, level=int(level))

    async def act(db: Any) -> None:
        session = await db.get_one(Session, room.customer.session_id)
        session.level = int(level)
        await service.raise_level(db, room.id, session_id=session.id, level=level, actor=customer)

    await house.act(act)
    return replace(room, customer=customer)


async def test_at_l2_a_session_sees_what_was_written_in_it_and_nothing_older(house: House) -> None:
    first = await house.room(Level.L3)
    await house.say(first, "segreto del cliente")
    await house.answer(first, "segreto della banca")
    await house.answer(first, "anche questo", chosen=DataClass.CASE)
    house.clock.pass_by(minutes=1)
    later = await house.come_back(first, Level.L2)
    await house.say(later, "eccomi")
    await house.answer(later, "bentornata", chosen=DataClass.CASE)
    assert texts(await seen(house, later.customer)) == ["eccomi", "bentornata"]
    async with reading(house.services) as db:
        assert await queries.has_older(db, later.customer)


async def test_at_l2_a_session_does_not_see_who_came_and_went_before(house: House) -> None:
    first = await house.room(Level.L3)
    await house.answer(first, "x", chosen=DataClass.IDENTITY)
    await house.act(lambda db: service.request_step_up(db, house.anna, first.id, Level.L4))
    await house.act(lambda db: service.vacate(db, first.id, reason="left", actor=first.customer))
    house.clock.pass_by(minutes=1)
    later = await house.come_back(first, Level.L2)
    assert [(one.kind, one.data) for one in await seen(house, later.customer)] == [("level", {"level": 2})]
    house.clock.pass_by(minutes=1)
    last = await house.come_back(first, Level.L3)
    assert [one.kind for one in await seen(house, last.customer)] == [
        "level",
        "held",
        "step_up_requested",
        "lock",
        "level",
        "level",
    ]


async def test_an_l2_text_is_seen_by_no_other_l2_session_and_by_an_l3_one(house: House) -> None:
    first = await house.room(Level.L2)
    await house.say(first, "scritto a L2")
    assert texts(await seen(house, first.customer)) == ["scritto a L2"]
    house.clock.pass_by(minutes=1)
    assert texts(await seen(house, (await house.come_back(first, Level.L2)).customer)) == []
    house.clock.pass_by(minutes=1)
    assert texts(await seen(house, (await house.come_back(first, Level.L3)).customer)) == ["scritto a L2"]


async def test_at_l3_everything_up_to_account_is_seen_and_identity_at_l4(house: House) -> None:
    room = await house.room(Level.L4)
    for kind in (DataClass.GENERAL, DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY):
        await house.answer(room, f"classe {kind.value}", chosen=kind)
    everything = ["classe general", "classe case", "classe account", "classe identity"]
    assert texts(await seen(house, room.customer)) == everything
    for level, count in ((Level.L3, 3), (Level.L4, 4)):
        house.clock.pass_by(minutes=1)
        later = await house.come_back(room, level)
        assert texts(await seen(house, later.customer)) == everything[:count]


async def test_an_answer_above_the_level_waits_unseen_and_tells_only_that_it_waits(house: House) -> None:
    room = await house.room(Level.L2)
    posted = await house.answer(room, "canarino sul conto")
    assert (posted.state, posted.n) == ("held", None)
    entries = await seen(house, room.customer)
    assert [(one.kind, one.data) for one in entries] == [("level", {"level": 2}), ("held", {"level": 3})]
    assert "canarino" not in repr(entries)
    [leaf] = await house.leaves("message.held")
    assert leaf["data"]["needs"] == 3
    async with reading(house.services) as db:
        assert [kind for kind, _ in await queries.waiting_answers(db, room.id)] == ["account"]
        held = await queries.held_answers(db, await db.get_one(Conversation, room.id))
    assert [(one.text, one.state) for one in held] == [("canarino sul conto", "held")]


async def test_held_answers_are_released_in_order_with_new_numbers_when_more_is_proved(house: House) -> None:
    room = await house.room(Level.L2)
    for text, kind in (("uno", DataClass.ACCOUNT), ("due", DataClass.IDENTITY), ("tre", DataClass.ACCOUNT)):
        await house.answer(room, text, chosen=kind)
        house.clock.pass_by(seconds=1)
    await house.say(room, "ci sono")
    before = (await seen(house, room.customer))[-1].n
    room = await raised(house, room, Level.L3)
    after = [one for one in await seen(house, room.customer, after=before) if one.text]
    assert [(one.text, one.n) for one in after] == [("uno", before + 2), ("tre", before + 3)]
    assert [leaf["data"]["number"] for leaf in await house.leaves("message.released")] == [before + 2, before + 3]
    room = await raised(house, room, Level.L4)
    assert texts(await seen(house, room.customer, after=before + 3)) == ["due"]
    assert len({one.n for one in await seen(house, room.customer)}) == len(await seen(house, room.customer))


async def test_a_held_answer_expires_unseen(house: House) -> None:
    room = await house.room(Level.L2)
    await house.answer(room, "canarino sul conto")
    house.clock.now += HELD_FOR - timedelta(seconds=1)
    assert await sweeping.expire(house.services) == 0
    house.clock.pass_by(seconds=1)
    late = await house.come_back(room, Level.L3)
    assert texts(await seen(house, late.customer)) == []
    assert [await sweeping.expire(house.services) for _ in range(2)] == [1, 0]
    assert len(await house.leaves("message.expired")) == 1
    assert [row.state for row in await house.all(Message)] == ["expired"]
    again = await house.come_back(room, Level.L4)
    assert texts(await seen(house, again.customer)) == []


async def test_a_room_left_at_l3_does_not_show_its_later_answers_at_l2(house: House) -> None:
    """The level last proved stays with the room, for answers written meanwhile; who comes back with less sees none."""
    room = await house.room(Level.L3)
    await house.act(lambda db: service.vacate(db, room.id, reason="locked", actor=SYSTEM))
    assert (await house.answer(room, "scritto nel frattempo")).state == "sent"
    house.clock.pass_by(minutes=1)
    assert texts(await seen(house, (await house.come_back(room, Level.L2)).customer)) == []
    house.clock.pass_by(minutes=1)
    assert texts(await seen(house, (await house.come_back(room, Level.L3)).customer)) == ["scritto nel frattempo"]


async def gone(house: House, room: Room, how: str) -> None:
    session = room.customer.session_id
    acts: dict[str, Any] = {
        "ended": lambda db: sessions.end(db, session, house.clock()),
        "locked": lambda db: sessions.lock(db, session),
        "vacated": lambda db: service.vacate(db, room.id, reason="revoked", actor=SYSTEM),
    }
    if how in acts:
        await house.act(acts[how])
    elif how == "idle":
        house.clock.pass_by(minutes=5, seconds=1)
    elif how == "expired":
        house.clock.pass_by(hours=9)
    else:
        house.clock.pass_by(seconds=1)
        await house.come_back(room, Level.L3)


@pytest.mark.parametrize("how", ["ended", "locked", "vacated", "idle", "expired", "another browser"])
async def test_a_session_that_is_gone_reads_nothing(house: House, how: str) -> None:
    room = await house.room(Level.L3)
    await house.say(room, "segreto")
    await gone(house, room, how)
    with pytest.raises(RoomLocked):
        await read_as_customer(house.services, room.customer, Window())
    with pytest.raises(RoomLocked):
        await house.say(room, "ancora")


async def test_an_actor_who_claims_more_than_his_session_reads_nothing(house: House) -> None:
    room, other = await house.room(Level.L2), await house.room(Level.L3)
    for customer in (
        replace(room.customer, level=4),
        replace(room.customer, conversation_id=other.id),
        replace(other.customer, conversation_id=room.id),
        replace(room.customer, session_id=other.customer.session_id, level=3),
    ):
        with pytest.raises(RoomLocked):
            await read_as_customer(house.services, customer, Window())


async def test_the_agent_sees_everything_in_its_place(house: House) -> None:
    room = await house.room(Level.L3)
    await house.say(room, "domanda")
    await house.answer(room, "risposta")

    async def page(**window: int) -> list[str]:
        return texts((await read_as_staff(house.services, house.anna, room.id, Window(**window))).entries)

    assert await page() == await page(after=0) == ["domanda", "risposta"]
    assert (await page(after=2), await page(limit=1), await page(before=3, limit=1)) == (
        ["risposta"],
        ["risposta"],
        ["domanda"],
    )
