"""Working a case: one wins the claim, only its owner or a supervisor acts, every act and refusal has its leaf."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.cases import queries, service
from app.cases.errors import AlreadyClaimed, AlreadyRated, CaseClosed, NotYourCase
from app.cases.models import Case, CaseNote
from app.cases.queries import CaseFilter
from app.cases.rules import Outcome, Status
from app.conversations.models import Conversation, RoomRating
from app.conversations.rating import rate_room
from app.database import reading
from app.errors import Forbidden, NotFound
from app.ids import new_id
from tests.support.house import START, House, Room


async def refusals(house: House, case_id: UUID) -> list[tuple[str, str, str]]:
    return [
        (leaf["actor"]["id"], leaf["data"]["reason"], leaf["data"]["act"])
        for leaf in await house.leaves("case.refused", stream=f"case:{case_id}")
    ]


async def listed(house: House, staff: Staff, **wanted: Any) -> list[UUID]:
    async with reading(house.services) as db:
        found = await queries.listed(db, staff, CaseFilter(**wanted), after=None, limit=50)
        return [case.id for case in found]


async def test_of_many_who_claim_one_wins(house: House) -> None:
    case_id = await house.complaint()
    agents = [house.anna, house.bruno, house.sara, house.silvio] * 3
    outcomes = await asyncio.gather(
        *(house.act(lambda db, one=one: service.claim(db, one, case_id)) for one in agents),  # type: ignore[misc]
        return_exceptions=True,
    )
    owner = (await house.case(case_id)).assigned_to
    winners = [one.id for one, outcome in zip(agents, outcomes, strict=True) if isinstance(outcome, Case)]
    assert set(winners) == {owner}
    assert {type(one) for one in outcomes if not isinstance(one, Case)} == {AlreadyClaimed}
    assert len(await house.leaves("case.claimed")) == 1


async def test_claiming_ones_own_case_again_changes_nothing(house: House) -> None:
    case_id = await house.claimed()
    version = (await house.case(case_id)).version
    await house.act(lambda db: service.claim(db, house.anna, case_id))
    assert (await house.case(case_id)).version == version


Act = Callable[[AsyncSession, Staff, UUID], Awaitable[object]]
ACTS: dict[str, Act] = {
    "note": lambda db, staff, case_id: service.add_note(db, staff, case_id, "una nota"),
    "close": lambda db, staff, case_id: service.close(db, staff, case_id, Outcome.RESOLVED),
    "transfer": lambda db, staff, case_id: service.transfer(db, staff, case_id, staff.id),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_colleague_without_the_case_is_refused_and_that_is_remembered(house: House, act: str) -> None:
    case_id = await house.claimed()
    before = await house.case(case_id)
    with pytest.raises(NotYourCase):
        await house.act(lambda db: ACTS[act](db, house.bruno, case_id))
    assert await refusals(house, case_id) == [(str(house.bruno.id), "not_assigned", act)]
    after = await house.case(case_id)
    assert (after.version, after.assigned_to, after.status) == (before.version, before.assigned_to, before.status)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("login", ["olga", "ada"])
async def test_who_is_not_of_the_desk_meets_nothing(house: House, act: str, login: str) -> None:
    case_id = await house.claimed()
    with pytest.raises((Forbidden, NotFound)):
        await house.act(lambda db: ACTS[act](db, house.staff[login], case_id))
    with pytest.raises(Forbidden):
        await house.act(lambda db: service.claim(db, house.staff[login], case_id))
    assert await listed(house, house.staff[login]) == []
    async with reading(house.services) as db:
        with pytest.raises(NotFound):
            await queries.get(db, house.staff[login], case_id)


@pytest.mark.parametrize("login", ["anna", "sara"])
async def test_its_owner_and_any_supervisor_may_hand_it_on(house: House, login: str) -> None:
    case_id = await house.claimed()
    await house.act(lambda db: service.transfer(db, house.staff[login], case_id, house.bruno.id))
    assert (await house.case(case_id)).assigned_to == house.bruno.id
    [leaf] = await house.leaves("case.transferred")
    assert leaf["data"] == {"from": str(house.anna.id), "to": str(house.bruno.id)}
    with pytest.raises(NotYourCase):
        await house.act(lambda db: service.add_note(db, house.anna, case_id, "troppo tardi"))


async def test_a_supervisor_gives_out_an_unclaimed_case_and_an_agent_does_not(house: House) -> None:
    case_id = await house.complaint()
    with pytest.raises(NotYourCase):
        await house.act(lambda db: service.transfer(db, house.anna, case_id, house.anna.id))
    await house.act(lambda db: service.transfer(db, house.sara, case_id, house.anna.id))
    case = await house.case(case_id)
    assert (case.status, case.assigned_to) == (Status.CLAIMED, house.anna.id)


async def test_a_closed_case_takes_no_more_work(house: House) -> None:
    case_id = await house.claimed()
    house.clock.pass_by(hours=1)
    await house.act(lambda db: service.close(db, house.anna, case_id, Outcome.RESOLVED))
    case = await house.case(case_id)
    assert (case.status, case.outcome, case.closed_at) == (Status.CLOSED, "resolved", house.clock())
    for act in (
        lambda db: service.close(db, house.anna, case_id, Outcome.SPAM),
        lambda db: service.claim(db, house.bruno, case_id),
        lambda db: service.transfer(db, house.sara, case_id, house.bruno.id),
    ):
        with pytest.raises(CaseClosed):
            await house.act(act)
    assert await listed(house, house.anna) == []
    assert await listed(house, house.anna, status="closed") == [case_id]


async def test_notes_are_sealed_and_come_back_in_order(house: House) -> None:
    case_id = await house.claimed()
    for text in ("prima canarino", "seconda canarino"):
        await house.act(lambda db, text=text: service.add_note(db, house.anna, case_id, text))  # type: ignore[misc]
        house.clock.pass_by(seconds=1)
    assert all(b"canarino" not in row.sealed_text for row in await house.all(CaseNote))
    assert "canarino" not in json.dumps(await house.leaves())
    async with reading(house.services) as db:
        notes = await queries.notes_of(db, await db.get_one(Case, case_id))
    assert [note.text for note in notes] == ["prima canarino", "seconda canarino"]


async def test_a_closing_is_rated_once_by_each_room_and_an_open_case_never(house: House) -> None:
    room = await house.room()
    neighbour = await house.room(case_id=room.case_id)

    async def rate(stars: int, by: Room = room) -> None:
        async def act(db: AsyncSession) -> None:
            await rate_room(db, by.customer, await db.get_one(Conversation, by.id), stars, "canarino")

        await house.act(act)

    with pytest.raises(AlreadyRated):
        await rate(5)
    await house.act(lambda db: service.close(db, house.anna, room.case_id, Outcome.RESOLVED))
    await rate(4)
    with pytest.raises(AlreadyRated):
        await rate(1)
    await rate(2, neighbour)
    assert {rating.stars for rating in await house.all(RoomRating)} == {4, 2}
    assert all(b"canarino" not in (rating.sealed_comment or b"") for rating in await house.all(RoomRating))
    assert (await house.case(room.case_id)).rating == 2


async def test_the_queue_is_filtered_paged_and_oldest_first(house: House) -> None:
    ids = []
    for name in ("giulia", "marco", "ugo"):
        ids.append(await house.complaint(name))
        house.clock.pass_by(minutes=1)
    await house.act(lambda db: service.claim(db, house.anna, ids[1]))
    assert await listed(house, house.bruno) == ids
    assert await listed(house, house.anna, assigned="me") == [ids[1]]
    assert await listed(house, house.anna, assigned="nobody") == [ids[0], ids[2]]
    assert await listed(house, house.anna, network="other") == []
    seen: list[UUID] = []
    after = None
    for _ in range(4):
        async with reading(house.services) as db:
            page = await queries.listed(db, house.anna, CaseFilter(), after=after, limit=1)
        seen += [case.id for case in page]
        after = (page[-1].opened_at, page[-1].id) if page else after
    assert seen == ids


async def test_missing_and_forbidden_look_alike(house: House) -> None:
    async with reading(house.services) as db:
        for staff, case_id in ((house.anna, new_id(START)), (house.olga, await house.complaint())):
            with pytest.raises(NotFound) as refused:
                await queries.get(db, staff, case_id)
            assert refused.value.message == NotFound.message
