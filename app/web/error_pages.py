"""Errors for people: the same words for everybody, with the request id to quote."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from app.web.i18n import translate
from app.web.pages import language_of, page, site_of
from app.web.views import Problem


def render_error(request: Request, status: int, code: str, message: str, request_id: str) -> Response:
    """The page of an error; `code` is for programs and stays out of it."""
    del code
    view = Problem(
        site=site_of(request),
        now=request.app.state.services.clock(),
        error=message,
        status=status,
        reference=request_id,
        staff_door=request.app.state.staff_door,
    )
    return page(request, view, status)


def error_words(request: Request, sentence: str) -> str:
    """A refusal's sentence in the language of the page whose script asked."""
    return translate(language_of(request), sentence)
