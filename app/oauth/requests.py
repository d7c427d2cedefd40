"""The authorization request: its parameters, and the signed object that a provider can tell from a forged one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from security.jwts import SigningKey
from security.tokens import new_token

ASSERTION_LIFETIME: Final = timedelta(seconds=60)
REQUEST_TYP: Final = "oauth-authz-req+jwt"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class AuthorizationWish:
    """What is asked for. `acrs` in order of preference, `claim` one that is wanted beyond those of the scope.

    `fresh` asks for a sign-in of now, with its time; `prompt` is the provider's word for that. `hint` is who should
    sign in.
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_challenge: str = field(repr=False)
    scope: str = "openid"
    acrs: Sequence[str] = ()
    claim: str = ""
    fresh: bool = True
    prompt: str = "login"
    jkt: str = ""
    hint: str = ""


def parameters(client_id: str, wish: AuthorizationWish) -> dict[str, str]:
    """The request's parameters, those without a value left out."""
    asked = {
        "client_id": client_id,
        "response_type": "code",
        # by form_post the return would be a cross-site POST, without our cookie
        "response_mode": "query",
        "redirect_uri": wish.redirect_uri,
        "scope": wish.scope,
        "state": wish.state,
        "nonce": wish.nonce,
        "code_challenge": wish.code_challenge,
        "code_challenge_method": "S256",
        "acr_values": " ".join(wish.acrs),
        "prompt": wish.prompt,
        "max_age": "0" if wish.fresh else "",
        "dpop_jkt": wish.jkt,
        "login_hint": wish.hint,
        "claims": _claims(wish.claim),
    }
    return {name: value for name, value in asked.items() if value}


def _claims(claim: str) -> str:
    wanted = {claim: {"essential": True}}
    return json.dumps({"id_token": wanted, "userinfo": wanted}) if claim else ""


def signed_request(key: SigningKey, issuer: str, asked: Mapping[str, str], now: datetime) -> str:
    """The same as a request object (RFC 9101): nobody between us and the provider can change a word of it."""
    claims: dict[str, Any] = dict(asked)
    if "max_age" in claims:
        claims["max_age"] = int(claims["max_age"])
    if "claims" in claims:
        claims["claims"] = json.loads(claims["claims"])
    claims |= {"iss": asked["client_id"], "aud": issuer} | _once(now)
    return key.sign(claims, typ=REQUEST_TYP)


def client_assertion(key: SigningKey, client_id: str, issuer: str, now: datetime) -> str:
    """Who we are, for one request: the audience is the issuer, as one string, so that it is good nowhere else."""
    claims: dict[str, Any] = {"iss": client_id, "sub": client_id, "aud": issuer} | _once(now)
    return key.sign(claims, typ="JWT")


def _once(now: datetime) -> dict[str, Any]:
    made = int(now.timestamp())
    return {"jti": new_token(), "iat": made, "nbf": made, "exp": made + int(ASSERTION_LIFETIME.total_seconds())}
