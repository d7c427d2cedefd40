"""Where browsers report breaches of the content policy: counted and logged without their content."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.web.headers import REPORT_PATH

router = APIRouter(include_in_schema=False)
_log = structlog.get_logger("riserbo.csp")


@router.post(REPORT_PATH)
async def csp_report(request: Request) -> Response:
    """Read and forget: a report may quote addresses, so only that there was one is kept."""
    await request.body()
    _log.warning("csp_report")
    return Response(status_code=204)
