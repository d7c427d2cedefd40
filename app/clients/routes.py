"""The authorization server for programs: `/oauth/token`, its keys, and its description (RFC 8414)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app.clients.errors import TokenNotIssued
from app.clients.issuing import LIFETIME, Asked, IssuerPorts, token
from app.clients.service import MAY_HOLD
from app.errors import BadRequest, UnsupportedMediaType
from app.http.dependencies import CurrentServices, Now
from app.http.forms import strict_form
from app.http.proxies import network_of
from security.client_assertions import ALGORITHMS
from security.dpop import PROOF_ALGORITHMS

router = APIRouter(include_in_schema=False)
PRIVATE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@router.post("/oauth/token")
async def make_token(request: Request, services: CurrentServices) -> JSONResponse:
    """An access token for a program that proves itself by a signed assertion (client_credentials, private_key_jwt)."""
    try:
        form = await strict_form(request)
        asked = Asked(form, tuple(request.headers.getlist("dpop")), network_of(_address(request)))
        if "authorization" in request.headers:
            raise TokenNotIssued("invalid_client", 401)
        issued = await token(services, _ports(request), asked)
    except (BadRequest, UnsupportedMediaType):
        return _refusal(TokenNotIssued("invalid_request"))
    except TokenNotIssued as refused:
        return _refusal(refused)
    document = {
        "access_token": issued.token,
        "token_type": "DPoP" if issued.is_bound else "Bearer",
        "expires_in": int(LIFETIME.total_seconds()),
        "scope": " ".join(sorted(issued.scopes)),
    }
    return JSONResponse(document, headers=PRIVATE)


@router.get("/oauth/jwks")
async def key_set(request: Request, now: Now) -> JSONResponse:
    """The public keys of our access tokens."""
    return JSONResponse({"keys": _ports(request).keys.published(now)}, media_type="application/jwk-set+json")


@router.get("/.well-known/oauth-authorization-server")
async def description(request: Request) -> JSONResponse:
    """What a client's author, and a client's library, need to know."""
    ports = _ports(request)
    document: dict[str, Any] = {
        "issuer": ports.url,
        "token_endpoint": ports.endpoint,
        "jwks_uri": f"{ports.url}/oauth/jwks",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": sorted(one.value for one in MAY_HOLD),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
    }
    return JSONResponse(document)


def _refusal(refused: TokenNotIssued) -> JSONResponse:
    nonce = {"DPoP-Nonce": refused.nonce} if refused.nonce else {}
    return JSONResponse({"error": refused.error}, refused.status, PRIVATE | nonce)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _ports(request: Request) -> IssuerPorts:
    ports: IssuerPorts = request.app.state.issuer_ports
    return ports
