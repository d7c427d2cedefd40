"""What the demo sites share: guarded answers, strict forms, client credentials, the language of a page."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.i18n import pick_language

Language = Literal["it", "en"]
MAX_BODY: Final = 64 * 1024
MAX_FIELDS: Final = 30
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
}


class ApiRefusal(Exception):
    """A refusal for a machine: `{"error": code}` with this status."""

    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.headers = headers


class PageRefusal(Exception):
    """A refusal for a person: `reason` is the key of a sentence in the site's texts."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def answer_api_refusal(_request: Request, refusal: Exception) -> Response:
    """Exception handler for ApiRefusal."""
    assert isinstance(refusal, ApiRefusal)
    return JSONResponse({"error": refusal.code}, refusal.status, refusal.headers)


class Guarded:
    """Pure ASGI wrapper of a demo site: loopback names only, bounded bodies, security headers on every answer.

    The host check is what keeps a foreign page from reading a demo by DNS rebinding.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse foreign hosts with 421, cut a body over 64 KiB, add the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not is_loopback_name(Request(scope).headers.get("host", "")):
            await PlainTextResponse("This demo answers on *.localhost only.", 421)(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY:
                raise ApiRefusal(413, "too_large")
            return message

        await self.app(scope, bounded, with_headers(send))


def with_headers(send: Send) -> Send:
    """`send`, with each security header set that the answer does not set itself."""

    async def sending(message: MutableMapping[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("content-security-policy", policy())
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def policy(form_target: str | None = None) -> str:
    """The content security policy; `form_target` is an address that a form of the page may be redirected to.

    Chromium applies form-action to the redirects that follow a submitted form, so a consent page must name it.
    """
    if form_target is None:
        return POLICY.format(targets="")
    parts = urlsplit(form_target)
    return POLICY.format(targets=f" {parts.scheme}://{parts.netloc}")


def is_loopback_name(host: str) -> bool:
    """Whether a Host header names this machine (RFC 6761 section 6.3 keeps *.localhost on it)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")


def require_same_origin(request: Request) -> None:
    """Raise PageRefusal if a browser says that this form was sent from another site (cross-site request forgery)."""
    fetch_site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.url.netloc}"
    if fetch_site not in (None, "same-origin") or (fetch_site is None and origin not in (None, own)):
        raise PageRefusal(403, "foreign_form")


def pairs_once(text: str) -> dict[str, str]:
    """URL-encoded pairs as a dictionary. Raises ValueError on a repeated name, too many pairs or broken UTF-8."""
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a parameter is repeated")
    if any("\0" in part for pair in pairs for part in pair):
        raise ValueError("a parameter contains NUL")
    return values


async def read_form(request: Request) -> dict[str, str]:
    """The body of a URL-encoded form. Raises ApiRefusal on another content type or a malformed body."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ApiRefusal(415, "unsupported_media_type")
    body = await request.body()
    try:
        return pairs_once(body.decode())
    except ValueError as error:
        raise ApiRefusal(400, "invalid_request") from error


def read_object(body: bytes) -> dict[str, object]:
    """A JSON object whose text is all valid Unicode. Raises ApiRefusal."""
    try:
        content = json.loads(body)
        json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate would break whoever writes it out later
    except (ValueError, RecursionError) as error:
        raise ApiRefusal(400, "invalid_json") from error
    if not isinstance(content, dict):
        raise ApiRefusal(422, "invalid_fields")
    return content


def read_strings(body: bytes) -> dict[str, str]:
    """A flat JSON object of strings. Raises ApiRefusal."""
    content = read_object(body)
    strings = {name: value for name, value in content.items() if isinstance(value, str)}
    if len(strings) != len(content):
        raise ApiRefusal(422, "invalid_fields")
    return strings


def bearer_token(request: Request) -> str:
    """The token of an Authorization header (RFC 6750). Raises ApiRefusal 401 without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ApiRefusal(401, "unauthorized", {"www-authenticate": "Bearer"})
    return token.strip()


def basic_credentials(request: Request) -> tuple[str, str]:
    """Client id and secret (RFC 6749 section 2.3.1). Raises ApiRefusal 401 without them."""
    refusal = ApiRefusal(401, "invalid_client", {"www-authenticate": 'Basic realm="client", charset="UTF-8"'})
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise refusal
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise refusal from error
    if not colon:
        raise refusal
    return unquote_plus(name), unquote_plus(secret)


def same(left: str, right: str) -> bool:
    """Equality in constant time, for secrets."""
    return hmac.compare_digest(left.encode(), right.encode())


def language_of(request: Request, cookie: str) -> Language:
    """What the address, the site's own cookie or the browser asks for; else Italian."""
    headers, asked = request.headers, request.query_params.get("lang")
    return "en" if pick_language(asked, request.cookies.get(cookie), headers.get("accept-language")) == "en" else "it"


def page_environment(folder: Path) -> Environment:
    """Templates of one site: everything is escaped, an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
