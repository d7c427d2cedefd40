"""What has just been done, said once: by a cookie from the redirect to the page behind it, never by an address.

An address that carries a notice says it again at each reload, and to whomever it is passed on: anybody could make a
member of staff read "The case is closed." by a link. A `__Host-` cookie is set by this host alone.
"""

from __future__ import annotations

from typing import Final, get_args

from fastapi import Request
from fastapi.responses import Response

from app.sessions.dependencies import is_automatic
from app.web.views import NoticeName

NOTICE_COOKIE: Final = "__Host-riserbo-notice"
LASTS: Final = 60
"""Seconds; for a browser that never came to the page."""


def leave_notice(answer: Response, path: str, notice: NoticeName) -> None:
    """For the page at this path alone: another window of the same browser does not take it away."""
    answer.set_cookie(
        NOTICE_COOKIE, _mark(notice, path), max_age=LASTS, httponly=True, secure=True, samesite="strict", path="/"
    )


def notice_of(request: Request) -> NoticeName | None:
    """The sentence that waits for this page, if any. A page that refreshes itself elsewhere does not take it away."""
    left = request.cookies.get(NOTICE_COOKIE)
    if left is None or request.method != "GET" or is_automatic(request):
        return None
    names: tuple[NoticeName, ...] = get_args(NoticeName)
    return next((name for name in names if left == _mark(name, request.url.path)), None)


def drop_notice(request: Request, answer: Response) -> None:
    """It has been said."""
    if notice_of(request) is not None:
        answer.delete_cookie(NOTICE_COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def _mark(notice: NoticeName, path: str) -> str:
    """A slash would need quotes in a cookie."""
    return notice + path.partition("?")[0].replace("/", ":")
