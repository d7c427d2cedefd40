"""An Idempotency-Key: the act, its record and its answer together, once; a repetition gets the first answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import Body, FastAPI, Header
from pydantic import BaseModel

from app.channels.models import ChannelCursor
from app.errors import Conflict, Forbidden
from app.http.dependencies import Db
from app.http.problems import install_problem_handlers
from app.ids import new_id
from app.limits.dependencies import Once
from app.limits.idempotency import forget_old
from app.limits.models import IdempotentAnswer
from tests.support.house import START, House


class Done(BaseModel):
    number: int
    said: str


class Remembered(Forbidden):
    keeps_changes = True

    def details(self) -> dict[str, object]:
        return {"place": 7}


@dataclass
class Desk:
    """A route that acts once; `fault` is what it raises."""

    house: House
    client: httpx2.AsyncClient
    actors: dict[str, Any] = field(default_factory=lambda: {name: new_id(START) for name in ("anna", "bruno")})
    fault: Exception | None = None
    acts: int = 0
    may: bool = True

    async def post(
        self, key: str | None = "k", actor: str = "anna", path: str = "/a", said: str = "x"
    ) -> httpx2.Response:
        headers = {b"X-Actor": actor.encode()} | (
            {b"Idempotency-Key": key.encode("latin-1")} if key is not None else {}
        )
        return await self.client.post(path, json={"said": said}, headers=headers)


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    app = FastAPI()
    app.state.services = house.services
    install_problem_handlers(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bank.example") as client:
        one = Desk(house, client)

        async def act(once: Once, db: Db, request_actor: str, said: str) -> Any:
            async def run() -> Done:
                one.acts += 1
                db.add(ChannelCursor(connector=f"act-{one.acts}", cursor=said, polled_at=START))
                if one.fault is not None:
                    raise one.fault
                return Done(number=one.acts, said=said)

            async def still() -> None:
                if not one.may:
                    raise Forbidden

            return await once.answer(db, one.actors[request_actor], 201, run, still=still)

        for path in ("/a", "/b"):

            @app.post(path)
            async def route(once: Once, db: Db, x_actor: str = Header(), said: str = Body(embed=True)) -> Any:
                return await act(once, db, x_actor, said)

        yield one


async def acts(house: House) -> int:
    return len(await house.all(ChannelCursor))


async def test_a_repetition_gets_the_first_answer_and_nothing_runs_again(desk: Desk) -> None:
    first, second = await desk.post(), await desk.post()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json() == {"number": 1, "said": "x"}
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (desk.acts, await acts(desk.house)) == (1, 1)


async def test_twenty_at_once_act_once(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.post() for _ in range(20)))
    assert {(one.status_code, one.text) for one in answers} == {(201, answers[0].text)}
    assert await acts(desk.house) == 1


async def test_another_body_under_the_same_key_is_422_and_does_nothing(desk: Desk) -> None:
    await desk.post()
    refused = await desk.post(said="y")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert await acts(desk.house) == 1


async def test_a_key_belongs_to_its_actor_and_its_route(desk: Desk) -> None:
    for answer in (await desk.post(), await desk.post(actor="bruno"), await desk.post(path="/b"), await desk.post("l")):
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer.headers
    assert await acts(desk.house) == 4


async def test_without_a_key_every_request_acts(desk: Desk) -> None:
    await desk.post(None)
    await desk.post(None)
    assert await acts(desk.house) == 2


@pytest.mark.parametrize("key", ["", " ", "\u00e8", "x" * 256])
async def test_a_key_that_is_no_key_is_refused(desk: Desk, key: str) -> None:
    assert 400 <= (await desk.post(key)).status_code < 500
    assert await acts(desk.house) == 0


async def test_a_refusal_that_changes_nothing_frees_its_key(desk: Desk) -> None:
    desk.fault = Conflict()
    assert (await desk.post()).status_code == 409
    desk.fault = None
    assert (await desk.post()).status_code == 201
    assert await acts(desk.house) == 1


async def test_a_crash_frees_its_key(desk: Desk) -> None:
    desk.fault = RuntimeError()
    assert (await desk.post()).status_code == 500
    desk.fault = None
    assert (await desk.post()).status_code == 201
    assert await acts(desk.house) == 1


async def test_a_refusal_that_is_remembered_is_given_again_and_counted_once(desk: Desk) -> None:
    """It used to leave the key claimed and unanswered: 409 for a day."""
    desk.fault = Remembered("Not this one.")
    answers = [await desk.post() for _ in range(3)]
    assert {one.status_code for one in answers} == {403}
    members = [{name: one.json()[name] for name in ("code", "detail", "place")} for one in answers]
    assert members == [{"code": "forbidden", "detail": "Not this one.", "place": 7}] * 3
    assert (desk.acts, await acts(desk.house)) == (1, 1)
    assert (await desk.post(said="other")).status_code == 422


async def test_answers_are_sealed_and_forgotten_after_a_day(desk: Desk) -> None:
    await desk.post(said="canarino")
    [row] = await desk.house.all(IdempotentAnswer)
    assert b"canarino" not in row.sealed_answer
    assert b"canarino" not in row.key_hash + row.body_hash
    desk.house.clock.pass_by(hours=23)
    await desk.house.act(lambda db: forget_old(db, desk.house.clock()))
    assert len(await desk.house.all(IdempotentAnswer)) == 1
    desk.house.clock.pass_by(hours=2)
    await desk.house.act(lambda db: forget_old(db, desk.house.clock()))
    assert await desk.house.all(IdempotentAnswer) == []


async def test_an_answer_does_not_outlive_the_right_to_it(desk: Desk) -> None:
    """`still` is asked before an answer is given again, never before the act itself."""
    desk.may = True
    assert (await desk.post()).status_code == 201
    assert (await desk.post()).status_code == 201
    desk.may = False
    refused = await desk.post()
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await desk.post("another key")).status_code == 201
    desk.may = True
    assert (await desk.post()).json() == {"number": 1, "said": "x"}
