"""The pages and endpoints of the Square's OAuth server: sign-in with consent, token, userinfo, revocation."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.demo.site import (
    ApiRefusal,
    PageRefusal,
    basic_credentials,
    bearer_token,
    pairs_once,
    policy,
    read_form,
    require_same_origin,
    same,
)
from app.demo.square.models import ClientApp
from app.demo.square.oauth import SCOPE, TOKEN_LIFE, AuthorizationRequest, Denied, OAuthError, Untrusted
from app.demo.square.rendering import SESSION_COOKIE, page, require_person, server_of, square_of, visitor_of

KEPT = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")


async def authorize(request: Request) -> Response:
    """Ask the person: who are you, and may this client know it?"""
    try:
        parameters = pairs_once(request.url.query)
        asked = server_of(request).check_request(parameters)
    except (Untrusted, ValueError) as error:
        raise PageRefusal(400, "untrusted_client") from error
    except Denied as denied:
        return RedirectResponse(server_of(request).redirect(denied.request, error=denied.error), 303)
    again = "/oauth/authorize?" + urlencode(kept(parameters))
    if visitor_of(request) is None:
        return page(
            request, "sign_in.html", people=list(square_of(request).people.values()), next=again, client=asked.client
        )
    response = page(
        request,
        "consent.html",
        client=asked.client,
        fields=kept(parameters),
        token=consent_token(request, parameters),
        next=again,
        target=urlsplit(asked.redirect_uri).netloc,
    )
    response.headers["content-security-policy"] = policy(asked.redirect_uri)
    return response


async def decide(request: Request) -> Response:
    """Take the person's answer and send the browser back with a code or with access_denied."""
    require_same_origin(request)
    form = await read_form(request)
    person = require_person(request)
    parameters = kept(form)
    if not same(form.get("consent", ""), consent_token(request, parameters)):
        raise PageRefusal(400, "stale")
    asked = checked_again(request, parameters)
    server = server_of(request)
    if form.get("decision") != "approve":
        return RedirectResponse(server.redirect(asked, error="access_denied"), 303)
    code = server.approve(asked, person.id, square_of(request).clock())
    return RedirectResponse(server.redirect(asked, code=code), 303)


async def token(request: Request) -> Response:
    """Exchange a code for a token."""
    client = client_of(request)
    form = await read_form(request)
    if "client_secret" in form or form.get("client_id", client.client_id) != client.client_id:
        raise ApiRefusal(400, "invalid_request")  # one way to authenticate per request, RFC 6749 section 2.3
    try:
        issued = server_of(request).exchange(client, form, square_of(request).clock())
    except OAuthError as error:
        raise ApiRefusal(error.status, error.code) from error
    lifetime = int(TOKEN_LIFE.total_seconds())
    return JSONResponse({"access_token": issued, "token_type": "Bearer", "expires_in": lifetime, "scope": SCOPE})


async def userinfo(request: Request) -> Response:
    """Who signed in: `sub` is the immutable id."""
    try:
        person_id = server_of(request).person_of(bearer_token(request), square_of(request).clock())
    except OAuthError as error:
        raise ApiRefusal(401, error.code, {"www-authenticate": 'Bearer error="invalid_token"'}) from error
    person = square_of(request).people[person_id]
    return JSONResponse({"sub": person.id, "preferred_username": person.handle, "name": person.display_name})


async def revoke(request: Request) -> Response:
    """Forget a token (RFC 7009)."""
    client = client_of(request)
    form = await read_form(request)
    server_of(request).revoke(client, form.get("token", ""))
    return Response(status_code=200)


async def metadata(request: Request) -> Response:
    """The server's description (RFC 8414)."""
    return JSONResponse(server_of(request).metadata())


def client_of(request: Request) -> ClientApp:
    """The authenticated client. Raises ApiRefusal 401."""
    try:
        return server_of(request).authenticate(*basic_credentials(request))
    except OAuthError as error:
        raise ApiRefusal(error.status, error.code, {"www-authenticate": 'Basic realm="client"'}) from error


def kept(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters that travel through the pages."""
    return {name: parameters[name] for name in KEPT if name in parameters}


def consent_token(request: Request, parameters: dict[str, str]) -> str:
    """Binds a consent form to this browser session and to exactly these parameters."""
    session = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(session.encode(), urlencode(kept(parameters)).encode(), hashlib.sha256).hexdigest()


def checked_again(request: Request, parameters: dict[str, str]) -> AuthorizationRequest:
    """The request of a consent form. Raises PageRefusal."""
    try:
        return server_of(request).check_request(parameters)
    except (Untrusted, Denied) as error:
        raise PageRefusal(400, "untrusted_client") from error


ROUTES = [
    Route("/oauth/authorize", authorize, methods=["GET"]),
    Route("/oauth/authorize", decide, methods=["POST"]),
    Route("/oauth/token", token, methods=["POST"]),
    Route("/oauth/userinfo", userinfo, methods=["GET"]),
    Route("/oauth/revoke", revoke, methods=["POST"]),
    Route("/.well-known/oauth-authorization-server", metadata, methods=["GET"]),
]
