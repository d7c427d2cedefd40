"""The administration address: is the process alive, may it serve, and a few numbers. Never reachable from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import func, select

from app.audit import queries as audit
from app.cases.models import Case
from app.database import reading
from app.http.problems import install_problem_handlers
from app.http.request_ids import RequestIds
from app.http.storage_faults import install_storage_faults
from app.notifications.models import OutboxRow
from app.services import Services

SIGNED_WITHIN: Final = timedelta(minutes=5)


def create_admin_app(services: Services) -> FastAPI:
    """`/livez`, `/readyz` and `/metrics` (Prometheus text)."""
    app = FastAPI(title="Riserbo administration", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        findings = await unready(services)
        return JSONResponse({"ready": not findings, "findings": findings}, 503 if findings else 200)

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(await _numbers(services))

    install_storage_faults(app, install_problem_handlers(app))
    app.add_middleware(RequestIds)
    return app


async def unready(services: Services) -> list[str]:
    """Why the service should get no traffic now, one sentence each."""
    findings = []
    try:
        async with reading(services) as db:
            newest = await audit.latest_checkpoint(db)
            pending = await audit.pending_count(db)
    except Exception as fault:  # noqa: BLE001 (whatever it is, the database does not serve)
        return [f"the database does not answer ({type(fault).__name__})"]
    if pending and newest is not None and services.clock() - newest.created_at > SIGNED_WITHIN:
        findings.append("the evidence log has not been signed for five minutes")
    try:
        await services.vault.service_key("lookup")
    except Exception as fault:  # noqa: BLE001 (whatever it is, the keys cannot be used)
        findings.append(f"the key store does not answer ({type(fault).__name__})")
    return findings


async def _numbers(services: Services) -> str:
    async with reading(services) as db:
        head = await audit.head(db)
        pending = await audit.pending_count(db)
        waiting = (
            await db.execute(select(func.count()).select_from(OutboxRow).where(OutboxRow.done_at.is_(None)))
        ).scalar_one()
        by_status = await db.execute(select(Case.status, func.count()).group_by(Case.status))
        cases = "".join(f'riserbo_cases{{status="{row[0]}"}} {row[1]}\n' for row in by_status)
    return (
        f"riserbo_log_size {head.size if head else 0}\n"
        f"riserbo_log_pending {pending}\n"
        f"riserbo_outbox_waiting {waiting}\n"
        f"{cases}"
    )
