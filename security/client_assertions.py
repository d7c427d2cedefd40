"""Client authentication by a signed assertion (private_key_jwt, RFC 7523), as FAPI 2 asks for it.

One audience, which is the issuer itself: an assertion made for another server, even one of ours, is worth nothing
here. It lives two minutes at most, and its `jti` must be used up by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from security.errors import TokenRefused
from security.jwts import LEEWAY, Expected, VerificationKeys, claim_time, parse, public_key, verify

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Final = ("ES256", "PS256")
LONGEST: Final = timedelta(seconds=120)
MOST_KEYS: Final = 5
# a plain JWT is what client libraries send; the last is the type of its own that the update of RFC 7523 asks for
_TYPES: Final = ("", "jwt", "client-authentication+jwt")
_LONGEST_NAME: Final = 255
_KEPT: Final = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}


@dataclass(frozen=True)
class Assertion:
    """A client that has proved to be itself; `jti` counts once until `void_at`."""

    client_id: str
    jti: str
    void_at: datetime


def claimed_client(assertion: str) -> str:
    """Who the assertion says it is of, believed in nothing yet; raises `TokenRefused`."""
    name = parse(assertion).claims.get("sub")
    if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME:
        raise TokenRefused("name")
    return name


def read_assertion(assertion: str, keys: VerificationKeys, client_id: str, issuer: str, now: datetime) -> Assertion:
    """The assertion, if this client made it, now, for this issuer alone; raises `TokenRefused`."""
    expected = Expected(
        issuer=client_id,
        audience=issuer,
        typ=_TYPES,
        algorithms=ALGORITHMS,
        required=("sub", "jti", "iat"),
        longest=LONGEST,
        oldest=LONGEST,
        plain_audience=True,
    )
    claims = verify(assertion, keys, expected, now)
    if claims["sub"] != client_id:
        raise TokenRefused("subject")
    jti = claims["jti"]
    if not isinstance(jti, str) or len(jti) > _LONGEST_NAME:
        raise TokenRefused("name")
    made, ends = claim_time(claims, "iat") or 0.0, claim_time(claims, "exp") or 0.0
    if ends - made > LONGEST.total_seconds():
        raise TokenRefused("too_long")
    return Assertion(client_id, jti, datetime.fromtimestamp(ends, UTC) + LEEWAY)


def registered_keys(document: object) -> list[dict[str, Any]]:
    """The keys of a client, from a public JWK or a key set: each bare, with its name. Raises `TokenRefused`.

    Unlike a stranger's key set, one that an operator registers must be usable to the last key.
    """
    listed: object = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise TokenRefused("keys")
    found = [_bare(one) for one in listed]
    if len({one["kid"] for one in found}) != len(found) or len({thumbprint_of(one) for one in found}) != len(found):
        raise TokenRefused("keys")
    return found


def thumbprint_of(document: dict[str, Any]) -> str:
    """The RFC 7638 thumbprint of a registered key: what evidence calls it."""
    return public_key(document).thumbprint()


def keys_of(documents: Sequence[dict[str, Any]]) -> VerificationKeys:
    """Registered keys, for reading."""
    return VerificationKeys([public_key(one) for one in documents])


def _bare(document: object) -> dict[str, Any]:
    key = public_key(document)
    if key.get("use", "sig") != "sig" or (key.get("alg") or ALGORITHMS[0]) not in ALGORITHMS:
        raise TokenRefused("key")
    named = key.get("kid", key.thumbprint())
    if not isinstance(named, str) or not 0 < len(named) <= _LONGEST_NAME:
        raise TokenRefused("key")
    members = key.as_dict(private=False)
    return {name: members[name] for name in _KEPT[key.key_type]} | {"kid": named}
