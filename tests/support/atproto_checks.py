"""What the strict authorization server checks of each request: the client's document, its assertion, its proof."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from starlette.requests import Request

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
WINDOW: Final = 60
REGISTRY: Final = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)


class Refused(Exception):
    """An OAuth error; `why` is for whoever reads the test."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why
        self.status = 401 if code == "invalid_client" else 400


def check_document(client_id: str, status: int, kind: str, body: bytes) -> dict[str, Any]:
    """The client's document at its `client_id`: a plain 200, JSON, about this very address, of a confidential client."""
    parts = urlsplit(client_id)
    if parts.scheme != "https" or parts.port is not None or not parts.hostname or not parts.path.strip("/"):
        raise Refused("invalid_client", "client_id is no address of a document")
    if status != 200 or kind.partition(";")[0].strip() != "application/json":
        raise Refused("invalid_client", f"the document: {status} {kind}")
    told = json.loads(body)
    wanted = {
        "client_id": client_id,
        "application_type": "web",
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "scope": "atproto",
        "dpop_bound_access_tokens": True,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
    }
    wrong = [name for name, value in wanted.items() if told.get(name) != value]
    if wrong or ("jwks" in told) is ("jwks_uri" in told):
        raise Refused("invalid_client", f"the document: {wrong or 'jwks'}")
    for address in [*told["redirect_uris"], told["client_uri"]]:
        if (urlsplit(address).scheme, urlsplit(address).netloc) != ("https", parts.netloc):
            raise Refused("invalid_client", "an address of another origin")
    if any("d" in key for key in told["jwks"]["keys"]):
        raise Refused("invalid_client", "a private key")
    return dict(told)


def check_assertion(form: dict[str, str], document: dict[str, Any], issuer: str, once: set[str], now: datetime) -> None:
    """RFC 7523 by the client's own key: about itself, to this issuer and nobody else, short, once."""
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise Refused("invalid_client", "client_assertion_type")
    try:
        token = jwt.decode(form.get("client_assertion", ""), KeySet.import_key_set(document["jwks"]), registry=REGISTRY)
    except (JoseError, ValueError):
        raise Refused("invalid_client", "the assertion's signature") from None
    claims, here = token.claims, now.timestamp()
    if token.header.get("alg") != "ES256" or "kid" not in token.header:
        raise Refused("invalid_client", "the assertion's header")
    if claims.get("iss") != form["client_id"] or claims.get("sub") != form["client_id"]:
        raise Refused("invalid_client", "the assertion is about somebody else")
    if claims.get("aud") != issuer:
        raise Refused("invalid_client", "the assertion is for somebody else")
    if not here - WINDOW <= claims.get("iat", 0) <= here + WINDOW or not here - 5 < claims.get("exp", 0) <= here + 300:
        raise Refused("invalid_client", "the assertion's times")
    if not claims.get("jti") or claims["jti"] in once:
        raise Refused("invalid_client", "the assertion was used before")
    once.add(claims["jti"])


def check_proof(request: Request, url: str, nonce: str, once: set[str], now: datetime) -> str:
    """RFC 9449 section 4.3, with the server's nonce always; gives the key's thumbprint."""
    found = request.headers.getlist("dpop")
    if len(found) != 1:
        raise Refused("invalid_dpop_proof", "one DPoP header")
    try:
        header = jws.extract_compact(found[0].encode()).headers()
        if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256" or "d" in header.get("jwk", {}):
            raise Refused("invalid_dpop_proof", "the header")
        key = ECKey.import_key(header["jwk"])
        claims = jwt.decode(found[0], key, registry=REGISTRY).claims
    except (JoseError, ValueError, KeyError):
        raise Refused("invalid_dpop_proof", "the signature") from None
    if claims.get("htm") != request.method or claims.get("htu") != url:
        raise Refused("invalid_dpop_proof", "htm or htu")
    if abs(claims.get("iat", 0) - now.timestamp()) > WINDOW:
        raise Refused("invalid_dpop_proof", "iat")
    if not claims.get("jti") or claims["jti"] in once:
        raise Refused("invalid_dpop_proof", "jti")
    once.add(claims["jti"])
    if claims.get("nonce") != nonce:
        raise Refused("use_dpop_nonce", "the nonce of now")
    return str(key.thumbprint())
