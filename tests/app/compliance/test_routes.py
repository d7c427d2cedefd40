"""`/api/v1/exports` and `/api/v1/audit` over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import Depends, FastAPI

from app.actors import Role
from app.compliance.models import Export
from app.compliance.routes import router
from app.http.json_bodies import strict_json
from app.http.problems import install_problem_handlers
from tests.app.compliance.archive import Archive, complained_and_bound, verify


@asynccontextmanager
async def client(archive: Archive, role: Role | None = Role.COMPLIANCE) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(router, dependencies=[Depends(strict_json)])
    app.state.services, app.state.compliance_ports = archive.services, archive.ports
    install_problem_handlers(app)
    headers = {"authorization": f"Bearer {archive.tokens[role]}"} if role else {}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://staff.example", headers=headers) as opened:
        yield opened


async def test_an_officer_asks_waits_downloads_and_verifies(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    await archive.talk(bound, "Buongiorno, il bollo è doppio.")
    await archive.log_round()
    async with client(archive) as http:
        trust = archive.outside / "trust.json"
        trust.write_bytes((await http.get("/api/v1/exports/trust")).content)
        body = {"scope": "room", "conversation_id": str(bound.conversation_id), "reason": "reclamo 2026-17"}
        asked = await http.post("/api/v1/exports", json=body)
        assert (asked.status_code, asked.json()["state"]) == (202, "requested")
        address = f"/api/v1/exports/{asked.json()['id']}"
        early = await http.get(f"{address}/bag")
        assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
        await archive.build(await archive.work())
        shown = (await http.get(address)).json()
        assert (shown["state"], shown["reason"]) == ("ready", "reclamo 2026-17")
        bag = await http.get(f"{address}/bag")
    assert bag.headers["content-type"] == "application/zip"
    assert bag.headers["content-disposition"] == f'attachment; filename="riserbo-export-{shown["id"]}.zip"'
    assert bag.headers["cache-control"] == "no-store"
    assert int(bag.headers["content-length"]) == len(bag.content) == shown["bytes"]
    packed = archive.outside / "bag.zip"
    packed.write_bytes(bag.content)
    assert verify(packed, trust)["problems"] == []


async def test_a_repeated_request_is_one_export(archive: Archive) -> None:
    body: dict[str, Any] = {"scope": "log", "reason": "revisione annuale"}
    async with client(archive) as http:
        first = await http.post("/api/v1/exports", json=body, headers={"idempotency-key": "a"})
        again = await http.post("/api/v1/exports", json=body, headers={"idempotency-key": "a"})
        other = await http.post(
            "/api/v1/exports", json={**body, "reason": "un altro motivo"}, headers={"idempotency-key": "a"}
        )
    assert first.json() == again.json()
    assert (again.headers["idempotency-replayed"], other.status_code) == ("true", 422)
    assert len(await archive.bank.all(Export)) == 1
    assert len(await archive.bank.leaves("export.requested")) == 1


async def test_nobody_but_the_officer_gets_anything(archive: Archive) -> None:
    export = await archive.ask()
    await archive.build(await archive.work())
    for role in (Role.AGENT, Role.SUPERVISOR, Role.ADMINISTRATOR):
        assert await answers_to(archive, role, export) == [403, 403, 403, 403, 404, 404]
    assert await answers_to(archive, None, export) == [401] * 6
    assert await answers_to(archive, Role.COMPLIANCE, export) == [202, 200, 200, 200, 200, 200]


async def answers_to(archive: Archive, role: Role | None, export: Export) -> list[int]:
    async with client(archive, role) as http:
        answers = [
            await http.post("/api/v1/exports", json={"scope": "log", "reason": "curiosità"}),
            await http.get("/api/v1/exports"),
            await http.get("/api/v1/exports/trust"),
            await http.get("/api/v1/audit"),
            await http.get(f"/api/v1/exports/{export.id}"),
            await http.get(f"/api/v1/exports/{export.id}/bag"),
        ]
    problems = {"application/problem+json"} if role != Role.COMPLIANCE else {"application/json", "application/zip"}
    assert {answer.headers["content-type"] for answer in answers} == problems
    return [answer.status_code for answer in answers]


async def test_a_body_that_makes_no_sense_is_422_and_stores_nothing(archive: Archive) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"scope": "log"},
        {"scope": "log", "reason": "brev"},
        {"scope": "log", "reason": "x" * 501},
        {"scope": "log", "reason": 12345},
        {"scope": "log", "reason": "due\nrighe"},
        {"scope": "all", "reason": "motivo valido"},
        {"scope": "room", "reason": "motivo valido"},
        {"scope": "room", "reason": "motivo valido", "conversation_id": "x"},
        {"scope": "log", "reason": "motivo valido", "extra": 1},
    ]
    async with client(archive) as http:
        for body in bodies:
            answer = await http.post("/api/v1/exports", json=body)
            assert (answer.status_code, body) == (422, body)
    assert await archive.bank.all(Export) == []


async def test_the_list_has_pages_and_the_log_its_status(archive: Archive) -> None:
    for _ in range(3):
        await archive.ask()
    await archive.log_round()
    async with client(archive) as http:
        first = await http.get("/api/v1/exports", params={"limit": 2})
        second = await http.get("/api/v1/exports", params={"limit": 2, "cursor": first.json()["next"]})
        bad = await http.get("/api/v1/exports", params={"cursor": "nonsense"})
        status = (await http.get("/api/v1/audit")).json()
    assert (len(first.json()["items"]), len(second.json()["items"]), second.json()["next"]) == (2, 1, None)
    assert 'rel="next"' in first.headers["link"]
    assert bad.status_code == 400
    assert status["checkpoint"].startswith(f"{status['origin']}\n{status['checkpoint_size']}\n")
    assert status["size"] == status["checkpoint_size"] > 0
    assert "reclamo" not in json.dumps(await archive.bank.leaves())
