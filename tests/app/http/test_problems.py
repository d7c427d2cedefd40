"""Refusals and failures are problems or pages, say what to do, and quote nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from app.errors import Conflict, RiserboError, TooMany, Unauthenticated
from app.http.json_bodies import strict_json
from app.http.problems import UnexpectedErrors, install_problem_handlers
from app.http.request_ids import RequestIds
from app.http.texts import CleanLine, CleanText


class Note(BaseModel):
    """What the test route takes."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: CleanText
    name: CleanLine = ""
    count: Annotated[int, Field(ge=0, le=9)] = 0


def page(request: Request, status: int, code: str, message: str, request_id: str) -> Response:
    return HTMLResponse(f"<h1>{status} {code}</h1><p>{message}</p><small>{request_id}</small>")


def broken_page(*_: object) -> Response:
    raise RuntimeError("CANARY")


def make_app(render: object = page) -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    install_problem_handlers(app, render)  # type: ignore[arg-type]
    app.add_middleware(RequestIds)
    api = APIRouter(prefix="/api/v1", dependencies=[Depends(strict_json)])

    @api.post("/notes")
    async def write(note: Note) -> dict[str, str]:
        return {"text": note.text, "name": note.name}

    @api.get("/notes")
    async def listed() -> list[str]:
        return []

    @api.get("/notes/{number}")
    async def read(number: int) -> int:
        return number

    app.include_router(api)

    @app.get("/fail/{how}")
    @app.get("/api/fail/{how}")
    async def fail(how: str) -> Response:
        errors: dict[str, Exception] = {
            "conflict": Conflict("Already closed."),
            "many": TooMany(retry_after=30),
            "who": Unauthenticated(),
            "bug": ValueError("CANARY in the text"),
            "base": RiserboError(),
            "group": ExceptionGroup("CANARY", [ValueError("CANARY")]),
        }
        raise errors[how]

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            raise ValueError("CANARY")

        return StreamingResponse(parts())

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(make_app(), raise_app_exceptions=True)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bank.localhost") as client:
        yield client


async def post(
    client: httpx2.AsyncClient, body: bytes, content_type: str | None = "application/json"
) -> httpx2.Response:
    headers = {"content-type": content_type} if content_type else {}
    return await client.post("/api/v1/notes", content=body, headers=headers)


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("conflict", 409, "conflict"),
        ("many", 429, "too_many"),
        ("who", 401, "unauthenticated"),
        ("base", 500, "internal"),
    ],
)
async def test_refusal_is_a_problem_with_its_own_status_and_code(
    client: httpx2.AsyncClient, how: str, status: int, code: str
) -> None:
    response = await client.get(f"/api/fail/{how}")
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_refusal_says_when_to_come_back_and_how_to_sign_in(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/fail/many")).headers["retry-after"] == "30"
    assert (await client.get("/api/fail/who")).headers["www-authenticate"] == "Bearer"
    assert (await client.get("/api/fail/conflict")).json()["detail"] == "Already closed."


@pytest.mark.parametrize("how", ["bug", "group"])
async def test_unexpected_error_shows_only_the_request_id(client: httpx2.AsyncClient, how: str) -> None:
    with structlog.testing.capture_logs() as lines:
        response = await client.get(f"/api/fail/{how}")
    assert response.status_code == 500
    assert "CANARY" not in response.text
    assert "CANARY" not in json.dumps(lines)
    assert lines[0]["event"] == "unexpected_error"
    assert lines[0]["error"] in ("ValueError", "ExceptionGroup")
    assert lines[0]["place"].startswith("test_problems.py:")


async def test_error_after_the_answer_began_is_logged_without_text_and_leaves_it_unfinished() -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/stream", "headers": [], "query_string": b"", "root_path": ""}
    with structlog.testing.capture_logs() as lines:
        await make_app()(scope, receive, send)  # type: ignore[arg-type]
    assert sent[-1] == {"type": "http.response.body", "body": b"first", "more_body": True}
    assert [line["error"] for line in lines] == ["ValueError"]
    assert "CANARY" not in json.dumps(lines)


async def test_browser_gets_a_page_and_the_api_never_does(client: httpx2.AsyncClient) -> None:
    accept = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    response = await client.get("/fail/conflict", headers=accept)
    assert response.status_code == 409
    assert response.text.startswith("<h1>409 conflict</h1>")
    assert response.headers["x-request-id"] in response.text
    assert (await client.get("/nothing", headers=accept)).text.startswith("<h1>404")
    assert (await client.get("/fail/bug", headers=accept)).text.startswith("<h1>500")
    for path in ("/api/fail/conflict", "/api/nothing"):
        assert (await client.get(path, headers=accept)).headers["content-type"] == "application/problem+json"
    assert (await client.get("/fail/conflict")).headers["content-type"] == "application/problem+json"


async def test_page_that_cannot_be_drawn_falls_back_to_the_problem() -> None:
    transport = httpx2.ASGITransport(make_app(broken_page))
    async with httpx2.AsyncClient(transport=transport, base_url="http://bank.localhost") as client:
        response = await client.get("/fail/conflict", headers={"accept": "text/html"})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


async def test_unknown_path_is_404_and_wrong_method_names_every_allowed_one(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/v1/nothing")).json()["code"] == "not_found"
    response = await client.delete("/api/v1/notes")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"
    assert (await client.put("/api/v1/notes/1")).headers["allow"] == "GET"


async def test_wrong_values_are_placed_but_never_quoted(client: httpx2.AsyncClient) -> None:
    body = json.dumps({"text": ["CANARY"], "count": "CANARY", "CANARY": 1}).encode()
    response = await post(client, body)
    assert response.status_code == 422
    assert "CANARY" not in response.text
    found = {(item["pointer"], item["code"]) for item in response.json()["errors"]}
    assert found == {("#/body/text", "string_type"), ("#/body/count", "int_type"), ("#/body", "extra_forbidden")}
    assert (await client.get("/api/v1/notes/CANARY")).status_code == 422
    assert "CANARY" not in (await client.get("/api/v1/notes/CANARY")).text


BAD_JSON = {
    "empty object open": b"{",
    "broken utf-8": b'{"text":"\xff"}',
    "utf-16": '{"text":"a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"text":"a"}',
    "duplicate key": b'{"text":"a","text":"b"}',
    "duplicate key inside": b'{"text":"a","x":{"a":1,"a":2}}',
    "duplicate key escaped": b'{"text":"a","t\\u0065xt":"b"}',
    "not a number": b'{"text":"a","count":NaN}',
    "infinity": b'{"text":"a","count":-Infinity}',
    "overflow": b'{"text":"a","count":1e400}',
    "long integer": b'{"text":"a","count":' + b"9" * 60000 + b"}",
    "nul": b'{"text":"a\\u0000b"}',
    "raw nul": b'{"text":"a\x00b"}',
    "nul in key": b'{"text":"a","\\u0000":1}',
    "lone surrogate": b'{"text":"\\ud800"}',
    "lone low surrogate": b'{"text":"a","name":"x\\udfffy"}',
    "deep": b'{"text":' + b"[" * 40 + b"]" * 40 + b"}",
    "very deep list": b"[" * 60000,
    "very deep object": b'{"a":' * 12000,
    "two values": b'{"text":"a"} {}',
    "comment": b'{"text":"a"} // x',
    "single quotes": b"{'text':'a'}",
    "control character": b'{"text":"a\x01"}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
async def test_json_that_two_readers_could_read_differently_is_400(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await post(client, body)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1", b"{}", b'{"text":null}', b'{"text":{}}', b""])
async def test_json_of_the_wrong_shape_is_422(client: httpx2.AsyncClient, body: bytes) -> None:
    assert (await post(client, body)).status_code == 422


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "application/merge-patch+json",
        "json",
        "",
    ],
)
async def test_body_that_is_not_declared_as_json_is_415(client: httpx2.AsyncClient, content_type: str | None) -> None:
    assert (await post(client, b'{"text":"a"}', content_type)).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
async def test_good_text_passes_with_one_kind_of_line_end(client: httpx2.AsyncClient, content_type: str) -> None:
    body = json.dumps({"text": "Sì 😀\r\na\rb\tc\u0301", "name": "  Giulia  "}).encode()
    response = await post(client, body, content_type)
    assert response.json() == {"text": "Sì 😀\na\nb\tc\u0301", "name": "Giulia"}


@pytest.mark.parametrize("field", ["text", "name"])
@pytest.mark.parametrize("character", ["\x01", "\x08", "\x0b", "\x1b", "\x7f", "\x85", "\x9b"])
async def test_control_characters_are_422(client: httpx2.AsyncClient, field: str, character: str) -> None:
    response = await post(client, json.dumps({"text": "a"} | {field: f"x{character}y"}).encode())
    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "text_unclean"


@pytest.mark.parametrize("character", ["\n", "\t", "\u2028", "\u202e", "\u2066"])
async def test_line_takes_no_line_end_and_no_change_of_direction(client: httpx2.AsyncClient, character: str) -> None:
    assert (await post(client, json.dumps({"text": f"x{character}y"}).encode())).status_code == 200
    assert (await post(client, json.dumps({"text": "a", "name": f"x{character}y"}).encode())).status_code == 422


async def test_text_has_a_largest_length(client: httpx2.AsyncClient) -> None:
    assert (await post(client, json.dumps({"text": "é" * 4000}).encode())).status_code == 200
    response = await post(client, json.dumps({"text": "é" * 4001}).encode())
    assert response.json()["errors"] == [
        {"code": "string_too_long", "pointer": "#/body/text", "detail": "This is too long."}
    ]


async def test_a_request_that_is_cut_off_by_the_end_of_the_server_is_told_that_its_outcome_is_unknown() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def endless(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    app = FastAPI(openapi_url=None)
    guarded = UnexpectedErrors(endless, install_problem_handlers(app))
    scope = {"type": "http", "method": "POST", "path": "/api/x", "headers": [], "query_string": b"", "app": app}
    task = asyncio.create_task(guarded(scope, receive, send))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["code"] == "outcome_unknown"
