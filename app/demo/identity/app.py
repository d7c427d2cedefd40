"""The stub's site: a page to choose who to be, and the endpoint where the bank fetches the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.demo.identity.grants import Client, Grants, ProofRequest, Refused, Untrusted, digest
from app.demo.identity.texts import texts
from app.demo.site import (
    ApiRefusal,
    Guarded,
    PageRefusal,
    answer_api_refusal,
    basic_credentials,
    language_of,
    page_environment,
    pairs_once,
    policy,
    read_form,
    read_strings,
    require_same_origin,
)

FOLDER: Final = Path(__file__).parent
ACR: Final = "demo-stub-l3"
LANGUAGE_COOKIE: Final = "identity_lang"
TEMPLATES = page_environment(FOLDER / "templates")


@dataclass(frozen=True)
class IdentityPerson:
    """Somebody whom the stub lets anybody be."""

    customer_number: str
    name: str


@dataclass(frozen=True)
class Provider:
    """The stub's state."""

    people: tuple[IdentityPerson, ...]
    grants: Grants
    clock: Callable[[], datetime]


def provider_of(request: Request) -> Provider:
    """The stub's state."""
    return cast(Provider, request.app.state.provider)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page in the visitor's language."""
    language = language_of(request, LANGUAGE_COOKIE)
    wanted = "it" if language == "en" else "en"
    query = request.url.include_query_params(lang=wanted).query
    switch = f"{request.url.path}?{query}" if request.method == "GET" else "/"
    content = TEMPLATES.get_template(template).render(values, t=texts(language), lang=language, switch=switch)
    response = HTMLResponse(content, status)
    if request.query_params.get("lang") in ("it", "en"):
        response.set_cookie(LANGUAGE_COOKIE, language, httponly=True, samesite="lax")
    return response


def checked(request: Request, parameters: dict[str, str]) -> ProofRequest:
    """The bank's request. Raises PageRefusal."""
    try:
        return provider_of(request).grants.check_request(parameters)
    except Untrusted as error:
        raise PageRefusal(400, "untrusted") from error


async def home(request: Request) -> Response:
    """What this site is."""
    return page(request, "home.html")


async def authorize(request: Request) -> Response:
    """Ask the person whom to prove to be."""
    try:
        parameters = pairs_once(request.url.query)
    except ValueError as error:
        raise PageRefusal(400, "untrusted") from error
    asked = checked(request, parameters)
    grants = provider_of(request).grants
    if asked.error is not None:
        return RedirectResponse(grants.redirect(asked, error=asked.error), 303)
    target = urlsplit(asked.redirect_uri).netloc
    response = page(request, "authorize.html", asked=asked, people=provider_of(request).people, target=target)
    response.headers["content-security-policy"] = policy(asked.redirect_uri)
    return response


async def decide(request: Request) -> Response:
    """Send the browser back with a code for the chosen person, or with access_denied."""
    require_same_origin(request)
    form = await read_form(request)
    asked = checked(request, form)
    provider = provider_of(request)
    if asked.error is not None or "person" not in form:
        return RedirectResponse(provider.grants.redirect(asked, error=asked.error or "access_denied"), 303)
    if form["person"] not in {person.customer_number for person in provider.people}:
        raise PageRefusal(422, "unknown_person")
    code = provider.grants.approve(asked, form["person"], provider.clock())
    return RedirectResponse(provider.grants.redirect(asked, code=code), 303)


async def result(request: Request) -> Response:
    """The proved person for a code, once: `code` and `code_verifier` as a form or as JSON, client by Basic."""
    provider = provider_of(request)
    try:
        provider.grants.authenticate(*basic_credentials(request))
    except Refused as error:
        raise ApiRefusal(401, "invalid_client", {"www-authenticate": 'Basic realm="client"'}) from error
    form = await read_either(request)
    try:
        grant = provider.grants.redeem(form, provider.clock())
    except Refused as error:
        raise ApiRefusal(400, "invalid_grant") from error
    return JSONResponse(
        {
            "customer_number": grant.customer_number,
            "nonce": grant.nonce,
            "acr": ACR,
            "subject": f"stub-{digest(grant.customer_number)[:16]}",
            "iss": provider.grants.issuer,
            "auth_time": int(grant.issued_at.timestamp()),
        }
    )


async def read_either(request: Request) -> dict[str, str]:
    """The fields of a form or of a flat JSON object. Raises ApiRefusal."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return await read_form(request)
    return read_strings(await request.body())


async def refuse_page(request: Request, refusal: Exception) -> Response:
    """The page that explains a refusal."""
    assert isinstance(refusal, PageRefusal)
    return page(request, "refusal.html", refusal.status, reason=refusal.reason)


async def refuse_http(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    return page(request, "refusal.html", error.status_code, reason="not_found")


def create_identity_app(
    people: Sequence[IdentityPerson],
    *,
    client_id: str,
    client_secret: str,
    redirect_uris: Sequence[str],
    issuer: str,
    clock: Callable[[], datetime],
) -> Starlette:
    """The stub as its own site; `issuer` is its outside address, `redirect_uris` are compared byte by byte."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/authorize", authorize, methods=["GET"]),
            Route("/authorize", decide, methods=["POST"]),
            Route("/result", result, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Guarded)],
        exception_handlers={
            ApiRefusal: answer_api_refusal,
            PageRefusal: refuse_page,
            HTTPException: refuse_http,
        },
    )
    client = Client(client_id, client_secret, tuple(redirect_uris))
    app.state.provider = Provider(tuple(people), Grants(issuer.rstrip("/"), client), clock)
    return app
