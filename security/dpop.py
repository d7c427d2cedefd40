"""Proof of possession (RFC 9449): a token that is bound to a key is worth nothing to who copied it.

Both sides: the proofs that we send with our requests, and the check of those that are sent to us. That a proof's `jti`
is seen once is for the caller, who can remember.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from security.encoding import b64url
from security.errors import TokenRefused
from security.jwts import SigningKey, check_header, check_signature, claim_time, parse, public_key
from security.tokens import new_token

TYP: Final = "dpop+jwt"
WINDOW: Final = timedelta(seconds=60)
"""How far a proof's time may lie from ours, before and after."""
# RS256 has no place in a new protocol (FAPI 2.0, 5.4).
PROOF_ALGORITHMS: Final = ("ES256", "PS256")
_LONGEST_JTI: Final = 128
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Proof:
    """A proof that holds: by which key (RFC 7638 thumbprint), and its name, which must not have been seen before."""

    jkt: str
    jti: str


def make_proof(
    key: SigningKey, method: str, url: str, now: datetime, *, nonce: str | None = None, access_token: str | None = None
) -> str:
    """The proof for one request of ours, with the server's nonce and the token's hash where there are any."""
    claims: dict[str, Any] = {
        "jti": new_token(),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(now.timestamp()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = _hash(access_token)
    return key.sign(claims, typ=TYP, header={"jwk": key.bare_jwk()})


def verify_proof(
    proof: str,
    method: str,
    url: str,
    now: datetime,
    *,
    jkt: str | None = None,
    access_token: str | None = None,
    nonce: str | None = None,
) -> Proof:
    """Check the proof of one request: the only one in its header. Raises `TokenRefused`.

    `jkt` is the key that the token is bound to, `access_token` the token it comes with, `nonce` the one that we gave
    out; None leaves that part open, as at a token endpoint.
    """
    parsed = parse(proof, brings_key=True)
    check_header(parsed, (TYP,), PROOF_ALGORITHMS)
    key = public_key(parsed.header.get("jwk"))
    check_signature(parsed, key)
    claims, thumbprint = parsed.claims, key.thumbprint()
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise TokenRefused("proof_id")
    if claims.get("htm") != method:
        raise TokenRefused("method")
    if _address(claims.get("htu")) != _address(url):
        raise TokenRefused("address")
    made = claim_time(claims, "iat")
    if made is None or abs(made - now.timestamp()) > WINDOW.total_seconds():
        raise TokenRefused("proof_time")
    if access_token is not None and not _same(claims.get("ath"), _hash(access_token)):
        raise TokenRefused("token_hash")
    if nonce is not None and not _same(claims.get("nonce"), nonce):
        raise TokenRefused("server_nonce")
    if jkt is not None and not _same(thumbprint, jkt):
        raise TokenRefused("bound_key")
    return Proof(thumbprint, jti)


def _hash(access_token: str) -> str:
    return b64url(sha256(access_token.encode()).digest())


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def _address(url: object) -> tuple[str, str, int | None, str]:
    """A URL as RFC 9449 section 4.3 compares it: without query and fragment, host without case, port as it is."""
    if not isinstance(url, str):
        raise TokenRefused("address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TokenRefused("address") from None
    return parts.scheme, (parts.hostname or "").lower(), port or _DEFAULT_PORTS.get(parts.scheme), parts.path or "/"
