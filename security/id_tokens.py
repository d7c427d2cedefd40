"""An OpenID Connect ID token counts only for the sign-in that asked for it (OpenID Connect Core 3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from security.encoding import b64url
from security.errors import TokenRefused
from security.jwts import (
    ALGORITHMS,
    LEEWAY,
    Expected,
    VerificationKeys,
    check_header,
    check_signature,
    claim_time,
    parse,
    verify,
)

OLDEST: Final = timedelta(minutes=5)
LONGEST_SUBJECT: Final = 255
_LONGEST_ACR: Final = 200


@dataclass(frozen=True)
class Asked:
    """What the sign-in asked for. `signed_in_since` is set when the person had to sign in anew, and not before it."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    algorithms: Collection[str] = ALGORITHMS
    signed_in_since: datetime | None = None


@dataclass(frozen=True)
class Identity:
    """Who signed in. `acr` is "" when the provider did not say how: the weakest then (ASVS 5.0, 6.8.4)."""

    subject: str = field(repr=False)
    acr: str
    claims: Mapping[str, Any] = field(repr=False)


def verify_id_token(token: str, keys: VerificationKeys, asked: Asked, now: datetime, access_token: str) -> Identity:
    """The identity in the token; raises `TokenRefused`. Keys and `asked` belong to one provider and one sign-in."""
    expected = Expected(
        issuer=asked.issuer,
        audience=asked.client_id,
        typ=("jwt", ""),
        algorithms=asked.algorithms,
        required=("iat", "sub", "nonce"),
        oldest=OLDEST,
    )
    claims = verify(token, keys, expected, now)
    nonce, subject, acr = claims["nonce"], claims["sub"], claims.get("acr", "")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), asked.nonce.encode()):
        raise TokenRefused("nonce")
    if claims.get("azp", asked.client_id) != asked.client_id:
        raise TokenRefused("party")
    if not isinstance(subject, str) or len(subject) > LONGEST_SUBJECT:
        raise TokenRefused("subject")
    if not isinstance(acr, str) or len(acr) > _LONGEST_ACR:
        raise TokenRefused("acr")
    if claims.get("at_hash", half := _half_hash(access_token)) != half:
        # a token response put together from two sign-ins
        raise TokenRefused("at_hash")
    if asked.signed_in_since is not None:
        _check_fresh(claims, asked.signed_in_since, now)
    return Identity(subject, acr, claims)


def verify_userinfo(token: str, keys: VerificationKeys, issuer: str, client_id: str) -> Mapping[str, Any]:
    """The claims of a signed userinfo answer (Core 5.3.2); it has no times of its own. Raises `TokenRefused`."""
    parsed = parse(token)
    check_header(parsed, ("jwt", ""), ALGORITHMS)
    check_signature(parsed, keys.find(parsed.header.get("kid"), parsed.algorithm))
    if parsed.claims.get("iss") != issuer:
        raise TokenRefused("issuer")
    if parsed.claims.get("aud") not in (client_id, [client_id]):
        raise TokenRefused("audience")
    if "nonce" in parsed.claims:
        # an ID token of the same provider carries the same names, but answers another question
        raise TokenRefused("type")
    return parsed.claims


def _check_fresh(claims: Mapping[str, Any], since: datetime, now: datetime) -> None:
    signed_in = claim_time(claims, "auth_time")
    if signed_in is None or signed_in < (since - LEEWAY).timestamp():
        raise TokenRefused("stale_sign_in")
    if signed_in > (now + LEEWAY).timestamp():
        raise TokenRefused("from_the_future")


def _half_hash(access_token: str) -> str:
    """The left half of the hash (Core 3.1.3.6): SHA-256, as every algorithm that we accept uses it."""
    return b64url(sha256(access_token.encode()).digest()[:16])
