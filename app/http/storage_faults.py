"""A database that is away, full or broken: the client is told to come back, and nothing of the fault's text leaves."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from app.errors import OutcomeUnknown, Unavailable
from app.http.problems import Answers, log_unexpected

RETRY_AFTER: Final = 2
READS: Final = ("GET", "HEAD")
FAULTS: Final[tuple[type[Exception], ...]] = (OperationalError, InterfaceError, PoolTimeout)


def install_storage_faults(app: FastAPI, answers: Answers) -> None:
    """Answer the faults of a database with 503 and Retry-After instead of 500.

    Whether a commit whose answer was lost had come through nobody can say, so "nothing was stored" would be a lie. A
    full pool is another matter: its caller never got a connection.
    """

    async def away(request: Request, error: Exception) -> Response:
        log_unexpected(error)
        nothing_done = isinstance(error, PoolTimeout) or request.method in READS
        kind = Unavailable if nothing_done else OutcomeUnknown
        return await answers.refused(request, kind(retry_after=RETRY_AFTER))

    for fault in FAULTS:
        app.add_exception_handler(fault, away)
