"""Who looked at the queue, at a case's replies and rooms leaves it in the log, before anything is shown."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.actors import Staff
from app.agents.dependencies import current_staff
from app.cases import routes as case_routes
from app.cases import service
from app.conversations import routes as room_routes
from app.handover import routes as reply_routes
from app.http.problems import install_problem_handlers
from tests.support.house import House


class Desk:
    """The routes of the desk, for whoever `who` is."""

    def __init__(self, house: House, who: Staff) -> None:
        self.who = who
        self.app = FastAPI()
        self.app.state.services, self.app.state.public_url = house.services, "https://chat.bancaesempio.example"
        install_problem_handlers(self.app)
        for routes in (case_routes, room_routes, reply_routes):
            self.app.include_router(routes.router)
        self.app.dependency_overrides[current_staff] = lambda: self.who

    async def get(self, path: str) -> int:
        return await self._send("GET", path)

    async def post(self, path: str, document: dict[str, Any], key: str) -> int:
        return await self._send("POST", path, json=document, headers={"Idempotency-Key": key})

    async def _send(self, method: str, path: str, **content: Any) -> int:
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://staff.example") as client:
            return (await client.request(method, f"/api/v1{path}", **content)).status_code


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house, house.anna)


@pytest.mark.parametrize(("path", "part"), [("replies", "replies"), ("conversations", "rooms")])
async def test_a_look_at_a_cases_replies_or_rooms_leaves_a_leaf(house: House, desk: Desk, path: str, part: str) -> None:
    case_id = await house.claimed()
    assert await desk.get(f"/cases/{case_id}/{path}") == 200
    [leaf] = await house.leaves("case.read")
    assert (leaf["actor"]["id"], leaf["stream"]) == (str(house.anna.id), f"case:{case_id}")
    assert leaf["data"] == {"part": part}
    desk.who = house.olga
    assert await desk.get(f"/cases/{case_id}/{path}") == 404
    assert len(await house.leaves("case.read")) == 1


async def test_looks_at_the_queue_leave_one_leaf_a_minute_and_session(house: House, desk: Desk) -> None:
    await house.complaint()
    for _ in range(3):
        assert await desk.get("/cases") == 200
    [leaf] = await house.leaves("queue.read")
    assert (leaf["actor"]["id"], leaf["stream"]) == (str(house.anna.id), f"staff:{house.anna.id}")
    desk.who = house.bruno
    assert await desk.get("/cases") == 200
    house.clock.pass_by(minutes=1)
    assert await desk.get("/cases") == 200
    assert [leaf["actor"]["id"] for leaf in await house.leaves("queue.read")] == [
        str(one.id) for one in (house.anna, house.bruno, house.bruno)
    ]


async def test_who_sees_no_queue_leaves_no_leaf_of_looking(house: House, desk: Desk) -> None:
    desk.who = house.olga
    assert await desk.get("/cases") == 200
    assert await house.leaves("queue.read") == []


async def test_a_queue_whose_leaf_cannot_be_written_shows_nothing(
    house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_facts: object, **_more: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(service, "record", broken)
    assert await desk.get("/cases") == 500
