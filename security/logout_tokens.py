"""A logout token says that a session at the provider is over (OpenID Connect Back-Channel Logout 1.0, section 2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from security.errors import TokenRefused
from security.jwts import ALGORITHMS, Expected, VerificationKeys, claim_time, verify

TYPE: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
OLDEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(minutes=10)
_LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class LoggedOut:
    """Whose session ended: one (`sid`), or all of a person (`subject`). `void_at` is when the token counts no more."""

    subject: str | None = field(repr=False)
    sid: str | None = field(repr=False)
    jti: str
    void_at: datetime


def verify_logout_token(token: str, keys: VerificationKeys, issuer: str, client_id: str, now: datetime) -> LoggedOut:
    """What the token says; raises `TokenRefused`. That it counts once is for the caller (`jti`)."""
    expected = Expected(
        issuer=issuer,
        audience=client_id,
        typ=(TYPE,),
        algorithms=ALGORITHMS,
        required=("iat", "jti", "events"),
        oldest=OLDEST,
        longest=LONGEST,
    )
    claims = verify(token, keys, expected, now)
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise TokenRefused("event")
    if "nonce" in claims:
        # an ID token has one: without this rule one could be passed off as the other
        raise TokenRefused("nonce")
    subject, sid, jti = (_name(claims, name) for name in ("sub", "sid", "jti"))
    if subject is None and sid is None:
        raise TokenRefused("nobody")
    ends = claim_time(claims, "exp") or 0.0
    return LoggedOut(subject, sid, jti or "", datetime.fromtimestamp(ends, UTC) + timedelta(minutes=1))


def _name(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise TokenRefused("name")
    return value
