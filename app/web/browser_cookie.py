"""The cookie by which a browser is known again: it opens nothing, it only keeps a notice from being sent each time."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from security.tokens import new_token

BROWSER_COOKIE: Final = "__Host-riserbo-browser"
LASTS: Final = 180 * 24 * 3600
_OURS: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_of(request: Request) -> str:
    """The browser's own token, or a new one for a browser that has none of ours."""
    token = request.cookies.get(BROWSER_COOKIE, "")
    return token if _OURS.fullmatch(token) else new_token()


def set_browser_cookie(answer: Response, token: str) -> None:
    """Keep it for as long as a binding lasts."""
    answer.set_cookie(BROWSER_COOKIE, token, max_age=LASTS, httponly=True, secure=True, samesite="lax", path="/")
