"""The security headers of every answer of a door: pages, API, streams, downloads, errors.

The policy of the content (CSP level 3 with Trusted Types) lets one first-party script run, named by a nonce that is
new for each answer; templates find it as `request.state.csp_nonce`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.fixed_headers import FIXED_HEADERS, NOT_STORED

REPORT_PATH = "/csp-report"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_POLICY_NAME = re.compile(r"[A-Za-z0-9#=_/@.%-]+")
_TELLTALES = (b"server", b"x-powered-by")
_POLICY = b"content-security-policy"
_HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_REPLACED = frozenset((*_TELLTALES, _POLICY, _HSTS[0], *(name for name, _ in FIXED_HEADERS)))


class SecurityHeaders:
    """Sets the headers over whatever the application set; only `Cache-Control: … immutable` of a static file stays.

    `form_targets` are origins that a form's answer may redirect to, as sign-in does: Chromium applies form-action to
    the redirect as well. `https` says that the door is reached by HTTPS, whatever stands between.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        https: bool,
        form_targets: Sequence[str] = (),
        trusted_types: Sequence[str] = (),
    ) -> None:
        if not all(_ORIGIN.fullmatch(target) for target in form_targets):
            raise ValueError("form targets are origins, like https://id.example")
        if not all(_POLICY_NAME.fullmatch(name) for name in trusted_types):
            raise ValueError("a Trusted Types policy has a one-word name")
        self.app = app
        self._fixed = [*FIXED_HEADERS, *([_HSTS] if https else [])]
        self._policy = content_policy(https=https, form_targets=form_targets, trusted_types=trusted_types)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a nonce, and its answer with the headers."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        nonce = secrets.token_urlsafe(18)
        scope.setdefault("state", {})["csp_nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._apply(message, nonce)
            await send(message)

        return await self.app(scope, receive, send_with_headers)

    def _apply(self, message: Message, nonce: str) -> None:
        # One pass over a plain list: a header set at a time costs as much as the rest of a small answer.
        kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _REPLACED]
        for_ever = message["status"] in (200, 304) and any(
            name.lower() == NOT_STORED[0] and b"immutable" in value for name, value in kept
        )
        if not for_ever:
            kept = [one for one in kept if one[0].lower() != NOT_STORED[0]]
            kept.append(NOT_STORED)
        policy = self._policy.replace("{nonce}", nonce).encode("latin-1")
        message["headers"] = [*kept, *self._fixed, (_POLICY, policy)]


def content_policy(*, https: bool, form_targets: Sequence[str], trusted_types: Sequence[str]) -> str:
    """The Content-Security-Policy, with `{nonce}` where the nonce goes."""
    directives = [
        "default-src 'none'",
        "script-src 'nonce-{nonce}'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        " ".join(["form-action 'self'", *form_targets]),
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        " ".join(["trusted-types", *(trusted_types or ["'none'"])]),
        f"report-uri {REPORT_PATH}",
    ]
    if https:
        directives.append("upgrade-insecure-requests")
    return "; ".join(directives)
