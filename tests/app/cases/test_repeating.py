"""An Idempotency-Key repeated by who has lost the case since: refused with a leaf, as a new act would be."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.cases import service as cases
from tests.app.cases.test_looking import Desk
from tests.support.house import House, Room

ACTS = {
    "notes": ({"text": "Il cliente ha ragione."}, 201),
    "close": ({"outcome": "resolved"}, 200),
    "claim": ({}, 200),
}


async def lose(house: House, case_id: UUID) -> None:
    await house.act(lambda db: cases.transfer(db, house.sara, case_id, house.bruno.id))


@pytest.mark.parametrize("act", ["notes", "claim"])
async def test_who_has_lost_the_case_gets_no_first_answer_again(house: House, act: str) -> None:
    desk, case_id = Desk(house, house.anna), await house.claimed()
    body, status = ACTS[act]
    assert [await desk.post(f"/cases/{case_id}/{act}", body, "k") for _ in range(2)] == [status, status]
    await lose(house, case_id)
    assert await desk.post(f"/cases/{case_id}/{act}", body, "k") == 403
    [leaf] = await house.leaves("case.refused")
    assert leaf["data"] == {"reason": "not_assigned", "act": act.removesuffix("s")}


async def test_a_step_up_is_not_answered_again_to_who_has_lost_the_room(house: House) -> None:
    room: Room = await house.room()
    desk, path = Desk(house, house.anna), f"/conversations/{room.id}/step-up"
    assert await desk.post(path, {"level": 4}, "k") == 202
    await lose(house, room.case_id)
    assert await desk.post(path, {"level": 4}, "k") == 403


async def test_who_gave_a_case_away_or_closed_it_may_ask_again_whether_it_is_done(house: House) -> None:
    desk, case_id = Desk(house, house.anna), await house.claimed()
    body, status = ACTS["close"]
    assert [await desk.post(f"/cases/{case_id}/close", body, "k") for _ in range(2)] == [status] * 2
    other = await house.claimed(name="carlo")
    give = {"to": str(house.bruno.id)}
    assert [await desk.post(f"/cases/{other}/transfer", give, "k") for _ in range(2)] == [200, 200]
