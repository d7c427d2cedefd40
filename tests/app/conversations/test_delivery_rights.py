"""What the hub's one statement says of a reader's rights is what the rules say, and whatever is missing is a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer, Role, Staff
from app.agents.models import StaffAccount
from app.agents.queries import account
from app.conversations import queries
from app.conversations.errors import NotYourRoom, RoomLocked
from app.conversations.looks import REFUSALS, Lookout, Standing, Verdict, reader
from app.conversations.models import Conversation
from app.database import reading
from app.errors import RiserboError, Unauthenticated
from app.permissions import Level
from app.policy import Policy
from app.sessions.models import Session
from tests.support.house import House, Room

Change = Callable[[House, Room], Awaitable[None]]
MOMENT = timedelta(microseconds=1)


async def verdict_of(house: House, actor: Staff | Customer, room_id: Any) -> Verdict:
    lookout = Lookout(house.services)
    try:
        # A mark that nobody has: so every reader is told of.
        found = await lookout.look([(reader(actor, room_id), 0, -1)], house.clock())
    finally:
        await lookout.close()
    standing: Standing = found.standings[0]
    if standing.verdict is not Verdict.FINE:
        assert standing.lines == []
    return standing.verdict


async def by_the_rules(house: House, actor: Staff | Customer, room_id: Any) -> type[RiserboError] | None:
    """As pages and posts decide it."""
    try:
        async with reading(house.services) as db:
            if isinstance(actor, Customer):
                await queries.room_for_customer(db, actor, house.clock())
                return None
            session = await db.get(Session, actor.session_id)
            works_here = await account(db, actor.id)
            if (
                session is None
                or works_here is None
                or not queries.session_is_live(house.services.policy, session, house.clock())
            ):
                raise Unauthenticated
            await queries.room_for_staff(db, actor, room_id, act="watch")
    except RiserboError as refusal:
        return type(refusal)
    return None


def changed(model: type[Any], which: Callable[[Room], Any], **values: Any) -> Change:
    async def change(house: House, room: Room) -> None:
        async def act(db: AsyncSession) -> None:
            row = which(room)
            filled = {name: value(house) if callable(value) else value for name, value in values.items()}
            await db.execute(update(model).where(model.id == row).values(filled))

        await house.act(act)

    return change


def session(**values: Any) -> Change:
    return changed(Session, lambda room: room.customer.session_id, **values)


def ago(limit: timedelta) -> Callable[[House], Any]:
    return lambda house: house.clock() - limit


async def nothing(_house: House, _room: Room) -> None:
    pass


IDLE = Policy().sessions.level_3.idle


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param(nothing, None, id="nothing"),
        pytest.param(session(ended_at=lambda house: house.clock()), RoomLocked, id="ended"),
        pytest.param(session(expires_at=lambda house: house.clock()), RoomLocked, id="expired now"),
        pytest.param(session(expires_at=ago(-MOMENT)), None, id="expires in a moment"),
        pytest.param(session(locked=True), RoomLocked, id="locked"),
        pytest.param(session(last_seen_at=ago(IDLE)), None, id="idle to the limit"),
        pytest.param(session(last_seen_at=ago(IDLE + MOMENT)), RoomLocked, id="idle beyond it"),
        pytest.param(session(level=2), RoomLocked, id="level lowered"),
        pytest.param(session(level=4), RoomLocked, id="level raised"),
    ],
)
async def test_a_customers_rights_in_a_look_are_those_of_the_rules(
    house: House, change: Change, refusal: type[RiserboError] | None
) -> None:
    room = await house.room()
    await change(house, room)
    assert await by_the_rules(house, room.customer, room.id) is refusal
    assert REFUSALS.get(await verdict_of(house, room.customer, room.id)) is refusal


async def test_a_customer_of_another_room_binding_or_session_is_locked_out(house: House) -> None:
    room, other = await house.room(), await house.room(Level.L2)
    strangers = [
        replace(room.customer, conversation_id=other.id),
        replace(room.customer, binding_id=other.binding_id),
        replace(room.customer, session_id=other.customer.session_id),
        replace(room.customer, session_id=uuid4()),
        replace(room.customer, conversation_id=uuid4()),
    ]
    for stranger in strangers:
        assert await by_the_rules(house, stranger, stranger.conversation_id) is RoomLocked
        assert await verdict_of(house, stranger, stranger.conversation_id) is Verdict.LOCKED


async def test_the_rights_of_staff_in_a_look_are_those_of_the_rules(house: House) -> None:
    room = await house.room()
    for staff in house.staff.values():
        refusal = await by_the_rules(house, staff, room.id)
        assert REFUSALS.get(await verdict_of(house, staff, room.id)) is refusal, staff.role
        missing = uuid4()
        assert REFUSALS.get(await verdict_of(house, staff, missing)) is await by_the_rules(house, staff, missing)
    assert await by_the_rules(house, house.bruno, room.id) is NotYourRoom


@pytest.mark.parametrize(
    "values",
    [
        {"ended_at": lambda house: house.clock()},
        {"expires_at": lambda house: house.clock()},
        {"locked": True},
        {"kind": "staff", "last_seen_at": ago(Policy().sessions.staff.idle + MOMENT)},
        {"staff_id": None},
    ],
)
async def test_a_dead_session_of_staff_is_nobody(house: House, values: dict[str, Any]) -> None:
    room = await house.room()
    await changed(Session, lambda _room: house.anna.session_id, **values)(house, room)
    assert await verdict_of(house, house.anna, room.id) is Verdict.UNAUTHENTICATED


async def test_a_long_quiet_session_of_staff_lives_as_an_api_token_and_to_its_limit_as_a_page(house: House) -> None:
    room = await house.room()
    for kind, quiet in (("api", timedelta(hours=2)), ("staff", Policy().sessions.staff.idle)):
        await changed(Session, lambda _room: house.anna.session_id, kind=kind, last_seen_at=ago(quiet))(house, room)
        assert await by_the_rules(house, house.anna, room.id) is None
        assert await verdict_of(house, house.anna, room.id) is Verdict.FINE


@pytest.mark.parametrize("values", [{"active": False}, {"role": Role.COMPLIANCE.value}])
async def test_a_leaver_and_one_whose_role_changed_are_nobody_at_once(house: House, values: dict[str, Any]) -> None:
    room = await house.room()
    assert await verdict_of(house, house.sara, room.id) is Verdict.FINE
    fresh = await house.act(lambda db: _leaf_for(db, house))
    await changed(StaffAccount, lambda _room: house.sara.id, leaf_id=fresh, **values)(house, room)
    assert await verdict_of(house, house.sara, room.id) is Verdict.UNAUTHENTICATED


async def test_a_room_without_a_session_in_it_is_locked_whatever_is_missing(house: House) -> None:
    room = await house.room()
    fresh = await house.act(lambda db: _leaf_for(db, house))
    await changed(Conversation, lambda one: one.id, leaf_id=fresh, session_id=None)(house, room)
    assert await verdict_of(house, room.customer, room.id) is Verdict.LOCKED


async def _leaf_for(db: AsyncSession, house: House) -> Any:
    """A leaf of any kind: the triggers want a new one for each change of an audited row."""
    from app.audit.service import record

    return record(db, "log.heartbeat", stream="log", actor=house.ada, data={"size": 0})
