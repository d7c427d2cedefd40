"""The site of the demo's digital identity: what it publishes, where the bank pushes and fetches, where people agree."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.demo.eid.grants import Grants, Untrusted
from app.demo.eid.requests import ACR, CLAIM, REQUEST_LIFE, Citizen, Refused, Registration
from app.demo.eid.texts import texts
from app.demo.site import (
    ApiRefusal,
    Guarded,
    PageRefusal,
    answer_api_refusal,
    language_of,
    page_environment,
    pairs_once,
    policy,
    read_form,
    require_same_origin,
)

FOLDER: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "eid_lang"
BROWSER_COOKIE: Final = "eid_browser"
TEMPLATES = page_environment(FOLDER / "templates")


@dataclass(frozen=True)
class Provider:
    """The site's state."""

    grants: Grants
    clock: Callable[[], datetime]

    @property
    def client(self) -> Registration:
        """The bank, as it is registered."""
        return self.grants.client.registration

    def at(self, path: str) -> str:
        """An address of this site, as outsiders write it."""
        return f"{self.grants.client.issuer}{path}"


def provider_of(request: Request) -> Provider:
    """The site's state."""
    return cast(Provider, request.app.state.provider)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page in the visitor's language; the other language is the page's own address, or the one it was opened by."""
    language = language_of(request, LANGUAGE_COOKIE)
    opened = values.get("opened", "/")
    wanted = "it" if language == "en" else "en"
    switch = f"{opened}{'&' if '?' in opened else '?'}lang={wanted}"
    content = TEMPLATES.get_template(template).render(values, t=texts(language), lang=language, switch=switch)
    response = HTMLResponse(content, status)
    if request.query_params.get("lang") in ("it", "en"):
        response.set_cookie(LANGUAGE_COOKIE, language, httponly=True, samesite="lax")
    return response


async def home(request: Request) -> Response:
    """What this site is."""
    return page(request, "home.html", discovery=provider_of(request).at("/.well-known/openid-configuration"))


async def configuration(request: Request) -> Response:
    """OpenID Connect Discovery 1.0; every protection that is named here is also demanded."""
    provider = provider_of(request)
    document = {
        "issuer": provider.grants.client.issuer,
        "authorization_endpoint": provider.at("/authorize"),
        "pushed_authorization_request_endpoint": provider.at("/par"),
        "token_endpoint": provider.at("/token"),
        "jwks_uri": provider.at("/jwks.json"),
        "require_pushed_authorization_requests": True,
        "request_parameter_supported": True,
        "require_signed_request_object": True,
        "request_object_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": True,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", CLAIM],
        "claims_supported": ["sub", CLAIM],
        "acr_values_supported": [ACR],
    }
    return JSONResponse(document)


async def keys(request: Request) -> Response:
    """The key that ID tokens are signed with."""
    return JSONResponse({"keys": [provider_of(request).grants.key.public_jwk()]})


async def push(request: Request) -> Response:
    """A request of the bank, behind the browser's back (RFC 9126)."""
    provider, form = provider_of(request), await read_form(request)
    try:
        uri = provider.grants.push(form, provider.clock())
    except Refused as refused:
        raise _told(refused) from None
    return JSONResponse({"request_uri": uri, "expires_in": int(REQUEST_LIFE.total_seconds())}, 201)


async def token(request: Request) -> Response:
    """A code for tokens, once, from the bank alone, bound to the key that it named when it asked."""
    provider, form = provider_of(request), await read_form(request)
    proofs = request.headers.getlist("dpop")
    proof = proofs[0] if len(proofs) == 1 else ""
    try:
        return JSONResponse(provider.grants.redeem(form, proof, provider.at("/token"), provider.clock()))
    except Refused as refused:
        raise _told(refused) from None


def _told(refused: Refused) -> ApiRefusal:
    return ApiRefusal(401 if refused.error == "invalid_client" else 400, refused.error)


async def authorize(request: Request) -> Response:
    """Ask the person who they are. The first browser that opens a request is the one that may answer it."""
    try:
        parameters = pairs_once(request.url.query)
    except ValueError as error:
        raise PageRefusal(400, "untrusted") from error
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
    _open(request, parameters, browser)
    response = _asking(request, "who.html", parameters, citizens=provider_of(request).grants.citizens)
    response.set_cookie(BROWSER_COOKIE, browser, httponly=True, samesite="lax")
    return response


async def consent(request: Request) -> Response:
    """Say what the bank will learn, and ask."""
    form, citizen = await _answered(request)
    if citizen is None:
        raise PageRefusal(422, "unknown_person")
    return _asking(request, "consent.html", form, citizen=citizen)


async def decide(request: Request) -> Response:
    """Send the browser back: with a code for whoever agreed, else with access_denied."""
    form, citizen = await _answered(request)
    provider, agreed = provider_of(request), form.get("decision") == "agree"
    if agreed and citizen is None:
        raise PageRefusal(422, "unknown_person")
    back = provider.grants.answer(form["request_uri"], citizen if agreed else None, provider.clock())
    return RedirectResponse(back, 303)


async def _answered(request: Request) -> tuple[dict[str, str], Citizen | None]:
    """A form of ours, from the browser that opened the request. Raises PageRefusal."""
    require_same_origin(request)
    form = await read_form(request)
    _open(request, form, request.cookies.get(BROWSER_COOKIE, ""))
    return form, provider_of(request).grants.citizen(form.get("person", ""))


def _open(request: Request, parameters: dict[str, str], browser: str) -> None:
    provider = provider_of(request)
    try:
        provider.grants.open(parameters, browser, provider.clock())
    except Untrusted as error:
        raise PageRefusal(400, "untrusted") from error


def _asking(request: Request, template: str, parameters: dict[str, str], **values: Any) -> Response:
    """A page whose form leads back to the bank."""
    client = provider_of(request).client
    fields = {name: parameters[name] for name in ("client_id", "request_uri")}
    opened, target = f"/authorize?{urlencode(fields)}", urlsplit(client.redirect_uri).netloc
    response = page(request, template, client=client.name, target=target, fields=fields, opened=opened, **values)
    response.headers["content-security-policy"] = policy(client.redirect_uri)
    return response


async def refuse_page(request: Request, refusal: Exception) -> Response:
    """The page that explains a refusal."""
    assert isinstance(refusal, PageRefusal)
    return page(request, "refusal.html", refusal.status, reason=refusal.reason)


async def refuse_http(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    return page(request, "refusal.html", error.status_code, reason="not_found")


def create_eid_app(
    citizens: Sequence[Citizen], registration: Registration, *, issuer: str, clock: Callable[[], datetime]
) -> Starlette:
    """The provider as its own site; `issuer` is its outside address."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/.well-known/openid-configuration", configuration),
            Route("/jwks.json", keys),
            Route("/par", push, methods=["POST"]),
            Route("/token", token, methods=["POST"]),
            Route("/authorize", authorize),
            Route("/consent", consent, methods=["POST"]),
            Route("/decide", decide, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Guarded)],
        exception_handlers={
            ApiRefusal: answer_api_refusal,
            PageRefusal: refuse_page,
            HTTPException: refuse_http,
        },
    )
    app.state.provider = Provider(Grants.of(issuer, registration, tuple(citizens)), clock)
    return app
