"""A database that is away is a 503 that says when to come back, and never more than is known."""

from collections.abc import AsyncIterator

import httpx2
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.http.problems import install_problem_handlers
from app.http.request_ids import RequestIds
from app.http.storage_faults import install_storage_faults

AWAY = psycopg.OperationalError('connection to "CANARY" failed')
FAULTS = {
    "away": OperationalError("SELECT 'CANARY'", None, AWAY),
    "closed": InterfaceError("SELECT 'CANARY'", None, AWAY),
    "full": PoolTimeout("CANARY"),
    "bug": ProgrammingError("SELECT 'CANARY'", None, AWAY),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI(openapi_url=None)
    install_storage_faults(app, install_problem_handlers(app))
    app.add_middleware(RequestIds)

    @app.api_route("/api/{how}", methods=["GET", "POST"])
    async def fail(how: str) -> None:
        raise FAULTS[how]

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bank.localhost") as running:
        yield running


@pytest.mark.parametrize(
    ("method", "how", "code"),
    [
        ("POST", "away", "outcome_unknown"),
        ("POST", "closed", "outcome_unknown"),
        ("POST", "full", "unavailable"),
        ("GET", "away", "unavailable"),
    ],
)
async def test_a_lost_database_is_told_honestly_and_without_its_text(
    client: httpx2.AsyncClient, method: str, how: str, code: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await client.request(method, f"/api/{how}")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    assert "CANARY" not in answer.text + str(lines)
    assert lines[0]["error"] == type(FAULTS[how]).__name__


async def test_a_wrong_statement_stays_a_bug_of_ours(client: httpx2.AsyncClient) -> None:
    with structlog.testing.capture_logs():
        answer = await client.post("/api/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
