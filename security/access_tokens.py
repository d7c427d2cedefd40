"""Access tokens as JWTs (RFC 9068), strictly: made for our own clients, read from whoever the bank trusts to issue.

A token bound to a key says so (`cnf.jkt`, RFC 9449 section 6); one bound in a way that nobody here can check is
refused, and never taken for an unbound one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from security.errors import TokenRefused
from security.jwts import Expected, SigningKey, VerificationKeys, claim_time, verify

TYPE: Final = "at+jwt"
ALGORITHMS: Final = ("ES256", "PS256")
_LONGEST_NAME: Final = 255
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")
_LONGEST_SCOPE: Final = 2000
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class AccessToken:
    """What a token says; `jkt` is the thumbprint of the key that must prove its possession at each use."""

    issuer: str
    subject: str
    client_id: str
    jti: str
    scopes: frozenset[str]
    expires_at: datetime
    jkt: str | None
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def is_of_a_program(self) -> bool:
        """Whether no person stands behind it: subject and client are one (RFC 9068 section 2.2)."""
        return self.subject == self.client_id


@dataclass(frozen=True)
class Rule:
    """What a token of an issuer must be: for us, by one of these algorithms, not valid for longer than `longest`."""

    issuer: str
    audience: str
    algorithms: Collection[str] = ALGORITHMS
    longest: timedelta = timedelta(hours=1)


def read_access_token(token: str, keys: VerificationKeys, rule: Rule, now: datetime) -> AccessToken:
    """The token, if it is all that it must be; raises `TokenRefused`."""
    expected = Expected(
        issuer=rule.issuer,
        audience=rule.audience,
        typ=(TYPE,),
        algorithms=rule.algorithms,
        required=("sub", "client_id", "jti", "iat", "scope"),
        longest=rule.longest,
        oldest=rule.longest,
    )
    claims = verify(token, keys, expected, now)
    ends = claim_time(claims, "exp") or 0.0
    if datetime.fromtimestamp(ends, UTC) <= now:
        # no leeway at this end: what begins here ends with the token, and would be over before it began
        raise TokenRefused("expired")
    return AccessToken(
        issuer=rule.issuer,
        subject=_name(claims, "sub"),
        client_id=_name(claims, "client_id"),
        jti=_name(claims, "jti"),
        scopes=_scopes(claims),
        expires_at=datetime.fromtimestamp(ends, UTC),
        jkt=_binding(claims),
        claims=claims,
    )


@dataclass(frozen=True)
class Grant:
    """What a client of ours is given; times are whole seconds."""

    client_id: str
    jti: str
    scopes: Collection[str]
    issued_at: datetime
    lifetime: timedelta
    jkt: str | None = None


def issue(key: SigningKey, rule: Rule, grant: Grant) -> str:
    """A signed token for a program: subject and client are one."""
    made = int(grant.issued_at.timestamp())
    claims: dict[str, Any] = {
        "iss": rule.issuer,
        "aud": rule.audience,
        "sub": grant.client_id,
        "client_id": grant.client_id,
        "jti": grant.jti,
        "iat": made,
        "exp": made + int(grant.lifetime.total_seconds()),
        "scope": " ".join(sorted(grant.scopes)),
    }
    if grant.jkt is not None:
        claims["cnf"] = {"jkt": grant.jkt}
    return key.sign(claims, typ=TYPE)


def _name(claims: Mapping[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise TokenRefused("name")
    return value


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    value = claims["scope"]
    if not isinstance(value, str) or len(value) > _LONGEST_SCOPE or not _SCOPE.fullmatch(value):
        raise TokenRefused("scope")
    return frozenset(value.split(" "))


def _binding(claims: Mapping[str, Any]) -> str | None:
    """A confirmation that is not one thumbprint (a certificate's, a key's own) is one that we could not check."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jkt"}:
        raise TokenRefused("binding")
    thumbprint = confirmation["jkt"]
    if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise TokenRefused("binding")
    return thumbprint
