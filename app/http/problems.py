"""Every refusal and failure as one answer: an RFC 9457 problem for programs, a page for people.

Nothing of the request is echoed, and of an unexpected error nothing but the request id leaves.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import PurePath
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors
from app.errors import OutcomeUnknown, RiserboError
from app.http.request_ids import request_id_of

PageRenderer = Callable[[Request, int, str, str, str], Response]
"""(request, status, code, message, request id) → page; the status of the answer is set by the caller."""
Words = Callable[[Request, str], str]
"""(request, sentence) → the sentence in the language of the page that asked."""

MEDIA_TYPE = "application/problem+json"
TEXT = {"type": "string"}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A refusal or failure as an RFC 9457 problem; `code` is stable, some codes add members.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "code", "request_id"],
                    "properties": {
                        **dict.fromkeys(("type", "title", "detail", "code", "request_id"), TEXT),
                        "status": {"type": "integer"},
                        "errors": {"type": "array", "items": {"type": "object", "additionalProperties": TEXT}},
                    },
                }
            }
        },
    }
}
"""What the OpenAPI document says of each route's refusals."""
SCIM = "/scim/"
SCIM_MEDIA_TYPE = "application/scim+json"
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PROGRAMS = ("/api/", SCIM)
"""Where only programs ask: no pages, no other language than English."""
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_log = structlog.get_logger("riserbo.http")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

_BY_STATUS: dict[int, tuple[str, str]] = {
    error.status: (error.code, error.message)
    for error in (
        errors.BadRequest,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.UnsupportedMediaType,
        errors.Invalid,
        errors.TooMany,
        errors.Unavailable,
    )
} | {
    405: ("method_not_allowed", "This cannot be done here."),
    408: ("too_slow", "The request took too long to arrive."),
    414: ("too_large", "The address is too long."),
    421: ("wrong_host", "This address is not served here."),
    431: ("too_large", "The headers of the request are too large."),
    501: ("method_not_known", "This method is not known here."),
    505: ("version_not_supported", "This version of HTTP is not spoken here."),
    500: (RiserboError.code, RiserboError.message),
}

# pydantic's own sentences may quote the input; these never do.
_DETAILS = {
    "missing": "This value is missing.",
    "extra_forbidden": "There is a value that is not known here.",
    "string_too_short": "This is too short.",
    "string_too_long": "This is too long.",
    "text_unclean": "This holds characters that are not text.",
    "string_unicode": "This holds characters that are not text.",
    "too_long": "There are too many values.",
    "too_short": "There are too few values.",
}


@dataclass(frozen=True)
class Problem:
    """One refusal or failure: `message` is the sentence for the person, `found` the places of wrong values."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    found: Sequence[Mapping[str, str]] = ()
    more: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of_status(cls, status: int, **more: Any) -> Problem:
        """The usual code and sentence of a status; one without its own becomes a plain 400 or 500."""
        status = status if status in _BY_STATUS else 400 if status < 500 else 500
        return cls(status, *_BY_STATUS[status], **more)

    def body(self, request_id: str) -> bytes:
        """RFC 9457 JSON; `code`, `request_id` and `errors` are extension members, as are those of `more`."""
        members: dict[str, object] = {
            **self.more,
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "request_id": request_id,
        }
        if self.found:
            members["errors"] = list(self.found)
        return json.dumps(members, separators=(",", ":")).encode()

    def scim_body(self) -> bytes:
        """RFC 7644 section 3.12: the status is a text, and the word for the cause has its own list."""
        members: dict[str, object] = {"schemas": [SCIM_ERROR], "status": str(self.status), "detail": self.message}
        return json.dumps(members | dict(self.more), separators=(",", ":")).encode()

    def response(self, scope: Scope) -> Response:
        """The answer for programs, in the form of the protocol that they speak."""
        if scope["path"].startswith(SCIM):
            return Response(self.scim_body(), self.status, self.headers, SCIM_MEDIA_TYPE)
        return Response(self.body(request_id_of(scope)), self.status, self.headers, MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer: not where programs ask, and HTML is among the accepted types."""
    return not request.scope["path"].startswith(PROGRAMS) and "text/html" in request.headers.get("accept", "").lower()


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """All methods that some route takes at this path; Starlette names those of the first route only."""
    pristine = {"type": "http", "path": scope["path"], "root_path": scope.get("app_root_path", ""), "headers": []}
    return [
        method
        for method in METHODS
        if any(route.matches(pristine | {"method": method})[0] is Match.FULL for route in routes)
    ]


class Answers:
    """The exception handlers of one application, sharing its way to draw pages."""

    def __init__(self, render: PageRenderer | None, words: Words | None) -> None:
        self._render = render
        self._words = words

    def _answer(self, request: Request, problem: Problem) -> Response:
        if self._render is not None and wants_page(request):
            request_id = request_id_of(request.scope)
            try:
                page = self._render(request, problem.status, problem.code, problem.message, request_id)
            except Exception as error:  # noqa: BLE001 - an error page that fails must not hide the error
                log_unexpected(error)
            else:
                page.status_code = problem.status
                page.headers.update(problem.headers)
                return page
        return self._in_words(request, problem).response(request.scope)

    def _in_words(self, request: Request, problem: Problem) -> Problem:
        """A page's script shows `detail` to the person who reads the page; the API speaks English."""
        if self._words is None or request.scope["path"].startswith(PROGRAMS):
            return problem
        try:
            return replace(problem, message=self._words(request, problem.message))
        except Exception as error:  # noqa: BLE001 - a missing word must not hide the error
            log_unexpected(error)
            return problem

    async def refused(self, request: Request, error: Exception) -> Response:
        """A RiserboError: its own status, code and sentence."""
        assert isinstance(error, RiserboError)
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
        if error.status == HTTPStatus.UNAUTHORIZED and request.scope["path"].startswith(PROGRAMS):
            headers["WWW-Authenticate"] = getattr(error, "challenge", "Bearer")
            if nonce := getattr(error, "nonce", ""):
                headers["DPoP-Nonce"] = nonce
        return self._answer(request, Problem(error.status, error.code, error.message, headers, more=error.details()))

    async def invalid(self, request: Request, error: Exception) -> Response:
        """Values of the wrong type or size: where and what, never the value."""
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return self._answer(request, Problem.of_status(400))
        return self._answer(request, Problem.of_status(422, found=[_described(item) for item in found]))

    async def http(self, request: Request, error: Exception) -> Response:
        """What the framework refuses by itself: no route, wrong method, unreadable body."""
        assert isinstance(error, HTTPException)
        headers: dict[str, str] = {}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(allowed_methods(request.app.router.routes, request.scope))
        return self._answer(request, Problem.of_status(error.status_code, headers=headers))

    async def unexpected(self, request: Request, error: Exception) -> Response:
        """A bug of ours."""
        log_unexpected(error)
        return self._answer(request, Problem.of_status(500))


class UnexpectedErrors:
    """Ends a request whose handler raised: a bare 500, or a cut connection when the answer had begun.

    Starlette's own outermost middleware raises such an error again, and the server would log its text.
    """

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self.app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and stand behind it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watching)
        except ClientDisconnect:
            return None
        except asyncio.CancelledError:
            if not started:
                # the server's grace is over; what was asked may be done all the same
                await (await self._answers.refused(Request(scope), OutcomeUnknown(retry_after=1)))(scope, receive, send)
            raise
        except Exception as error:  # noqa: BLE001 - the last barrier before the server
            if started:
                log_unexpected(error)
                return None
            response = await self._answers.unexpected(Request(scope), error)
            await response(scope, receive, send)
        return None


def install_problem_handlers(app: FastAPI, render: PageRenderer | None = None, words: Words | None = None) -> Answers:
    """Answer all errors of `app` as problems, or by `render` to a browser outside /api, in `words` to its scripts.

    Call it before adding other middleware, so that request ids, headers and logs stand around the errors too.
    """
    answers = Answers(render, words)
    app.add_exception_handler(RiserboError, answers.refused)
    app.add_exception_handler(RequestValidationError, answers.invalid)
    app.add_exception_handler(HTTPException, answers.http)
    app.add_exception_handler(Exception, answers.unexpected)
    app.add_middleware(UnexpectedErrors, answers=answers)
    return answers


def log_unexpected(error: BaseException) -> None:
    """Class and place of the error. Its text may quote a person's words or a secret, so it stays out of the log."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{PurePath(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else "-"
    _log.error("unexpected_error", error=type(error).__name__, place=place)


def _described(item: Mapping[str, Any]) -> dict[str, str]:
    kind = str(item["type"])
    where = list(item["loc"])
    if kind == "extra_forbidden":
        # The last part is a name of the client's own making.
        where.pop()
    parts = [str(part) for part in where if isinstance(part, int) or _IDENTIFIER.fullmatch(part)]
    return {"code": kind, "pointer": "/".join(["#", *parts]), "detail": _DETAILS.get(kind, "This value is not valid.")}
