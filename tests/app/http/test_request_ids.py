"""Each request has an id of our making, and the log line of a request says nothing of the client's words."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import httpx2
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from starlette.requests import Request

from app.http.access_log import AccessLog
from app.http.logs import configure_logging
from app.http.problems import install_problem_handlers
from app.http.request_ids import RequestIds, request_id_of


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def make_client() -> httpx2.AsyncClient:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    install_problem_handlers(app)
    app.add_middleware(AccessLog, door="public")
    app.add_middleware(RequestIds)
    inner, outer = APIRouter(prefix="/rooms"), APIRouter(prefix="/api")

    @inner.get("/{room}")
    async def room(request: Request, room: str) -> str:
        structlog.get_logger().info("told", count=1, text=room, case_id="c1")
        if room == "bug":
            raise ValueError(room)
        return request_id_of(request.scope)

    outer.include_router(inner)
    app.include_router(outer)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bank.localhost")


async def test_id_is_ours_new_each_time_and_known_to_the_handler() -> None:
    async with make_client() as client:
        answers = [await client.get("/api/rooms/1", headers={"x-request-id": "mine"}) for _ in range(2)]
    ids = [answer.headers.get_list("x-request-id") for answer in answers]
    assert [len(each) for each in ids] == [1, 1]
    assert ids[0] != ids[1]
    assert "mine" not in ids[0]
    assert [answer.json() for answer in answers] == [each[0] for each in ids]


async def test_line_has_the_route_template_and_never_the_path_or_query(log: io.StringIO) -> None:
    async with make_client() as client:
        answer = await client.get("/api/rooms/CANARY?code=CANARY", headers={"user-agent": "CANARY"})
        await client.get("/CANARY")
        await client.request("CANARY", "/api/rooms/1")
        await client.get("/api/rooms/bug")
    assert "CANARY" not in log.getvalue()
    access = [line for line in lines(log) if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in access] == [
        ("GET", "/api/rooms/{room}", 200),
        ("GET", "-", 404),
        ("other", "/api/rooms/{room}", 405),
        ("GET", "/api/rooms/{room}", 500),
    ]
    assert access[0]["request_id"] == answer.headers["x-request-id"]
    assert set(access[0]) == {"event", "door", "method", "route", "status", "ms", "request_id", "level", "timestamp"}


async def test_field_that_is_not_on_the_list_is_dropped_and_counted(log: io.StringIO) -> None:
    async with make_client() as client:
        await client.get("/api/rooms/CANARY")
    told = lines(log)[0]
    assert (told["count"], told["case_id"], told["dropped"]) == (1, "c1", 1)
    assert "text" not in told


async def test_concurrent_requests_keep_their_ids_apart(log: io.StringIO) -> None:
    async with make_client() as client:
        answers = await asyncio.gather(*(client.get(f"/api/rooms/{number}") for number in range(20)))
    told = [line["request_id"] for line in lines(log) if line["event"] == "told"]
    assert sorted(map(str, told)) == sorted(answer.json() for answer in answers)


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio", "sqlalchemy.engine", "httpx2"])
def test_library_lines_lose_their_words(log: io.StringIO, name: str) -> None:
    try:
        raise ValueError("CANARY")
    except ValueError:
        logging.getLogger(name).critical("CANARY %s", "CANARY", exc_info=True)
    (line,) = lines(log)
    assert "CANARY" not in log.getvalue()
    assert (line["logger"], line["error"], line["level"]) == (name, "ValueError", "critical")
