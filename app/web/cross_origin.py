"""Writes that another site makes a browser send (CSRF) stop here, by what the browser says of where they come from.

Our pages carry `Referrer-Policy: no-referrer`, under which browsers write `Origin: null` even for our own forms; so
Sec-Fetch-Site decides, and Origin only where a browser does not send it.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.problems import Problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSiteWrites:
    """Refuses (403) unsafe methods that do not come from one of our own `origins`.

    Requests without cookies that carry a Bearer token, or no mark of a browser, have no ambient authority and pass.
    `exempt` are path prefixes that others may post to: webhooks, with signatures of their own.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], exempt: Sequence[str] = ()) -> None:
        self.app = app
        self._origins = frozenset(origins)
        self._exempt = tuple(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in _SAFE or scope["path"].startswith(self._exempt):
            return await self.app(scope, receive, send)
        if self._is_ours(Headers(scope=scope)):
            return await self.app(scope, receive, send)
        refusal = Problem(403, "cross_site", "This was sent by another site. Please open our page and repeat it there.")
        return await refusal.response(scope)(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
        if "cookie" not in headers and (
            headers.get("authorization", "").startswith(("Bearer ", "DPoP ")) or not (sites or origins)
        ):
            return True
        if sites:
            return sites in (["same-origin"], ["none"])
        return len(origins) == 1 and origins[0] in self._origins
