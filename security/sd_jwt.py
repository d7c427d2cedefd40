"""A credential that its holder shows part of (SD-JWT, RFC 9901; SD-JWT VC), bound to the key of the holder's wallet.

It counts only from an issuer that we trust, for the one who asked, for that question, with nothing added, moved or left
over. Whether its issuer has withdrawn it since is the caller's to ask (`Presented.status`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.x509 import Certificate

from security.certificates import key_of_chain
from security.encoding import b64url
from security.errors import TokenRefused, UnknownSigner
from security.jwts import (
    LEEWAY,
    Parsed,
    PublicKey,
    VerificationKeys,
    check_header,
    check_signature,
    check_times,
    claim_time,
    encoded_json,
    parse,
    public_key,
)

TYP: Final = "dc+sd-jwt"
BINDING_TYP: Final = "kb+jwt"
SIGNED_BY: Final = ("ES256",)
DIGESTS: Final = "sha-256"
LARGEST_PRESENTATION: Final = 24 * 1024
MOST_DISCLOSURES: Final = 64
DEEPEST: Final = 8
_SEPARATOR: Final = "~"
# What SD-JWT VC (section 3.2.2.2) forbids to disclose selectively: a hidden `nbf` would be looked for in vain.
_ALWAYS_OPEN: Final = frozenset({"iss", "nbf", "exp", "cnf", "vct", "status"})
_RESERVED: Final = frozenset({"_sd", "..."})


@dataclass(frozen=True)
class TrustedIssuer:
    """One issuer of the trust list: known by its keys, or by roots that its certificates must lead to."""

    issuer: str
    keys: VerificationKeys | None = None
    roots: Sequence[Certificate] = ()

    def key_for(self, parsed: Parsed, now: datetime) -> PublicKey:
        """The key that must have signed this credential; raises `TokenRefused`."""
        if self.keys is not None:
            return self.keys.find(parsed.header.get("kid"), parsed.algorithm)
        return key_of_chain(parsed.header.get("x5c"), self.roots, self.issuer, now)


@dataclass(frozen=True)
class Wanted:
    """What was asked: of which type, by whom, in which question, and since when a wallet can have answered."""

    vct: str
    audience: str
    nonce: str = field(repr=False)
    since: datetime


@dataclass(frozen=True)
class Presented:
    """What the holder showed. `status` says where the issuer tells whether the credential still holds."""

    issuer: TrustedIssuer
    claims: Mapping[str, Any] = field(repr=False)
    expires_at: datetime
    status: object = None


def verify_presentation(text: str, trusted: Mapping[str, TrustedIssuer], wanted: Wanted, now: datetime) -> Presented:
    """The claims of a presentation that answers this question; raises `TokenRefused`, whose `reason` is one word."""
    if len(text) > LARGEST_PRESENTATION:
        raise TokenRefused("too_large")
    credential, *disclosures = text.split(_SEPARATOR)
    binding = disclosures.pop() if disclosures else ""
    if not binding:
        raise TokenRefused("unbound")
    if len(disclosures) > MOST_DISCLOSURES:
        raise TokenRefused("too_large")
    parsed = parse(credential, brings_chain=True)
    check_header(parsed, (TYP,), SIGNED_BY)
    named = parsed.claims.get("iss")
    issuer = trusted.get(named) if isinstance(named, str) else None
    if issuer is None:
        raise UnknownSigner("issuer")
    check_signature(parsed, issuer.key_for(parsed, now))
    check_times(parsed.claims, now)
    if parsed.claims.get("vct") != wanted.vct:
        raise TokenRefused("vct")
    _check_binding(binding, text.removesuffix(binding), parsed.claims, wanted, now)
    claims = _opened(parsed.claims, disclosures)
    ends = datetime.fromtimestamp(parsed.claims["exp"], tz=UTC)
    return Presented(issuer, claims, ends, parsed.claims.get("status"))


def _check_binding(binding: str, bound: str, claims: Mapping[str, Any], wanted: Wanted, now: datetime) -> None:
    """The wallet's signature (RFC 9901, section 7.3) over this selection, for this question."""
    confirmed = claims.get("cnf")
    key = public_key(confirmed.get("jwk") if isinstance(confirmed, dict) else None)
    parsed = parse(binding)
    check_header(parsed, (BINDING_TYP,), SIGNED_BY)
    check_signature(parsed, key)
    if parsed.claims.get("aud") != wanted.audience:
        raise TokenRefused("audience")
    if not _same(parsed.claims.get("nonce"), wanted.nonce):
        raise TokenRefused("nonce")
    made = claim_time(parsed.claims, "iat")
    if made is None or made < (wanted.since - LEEWAY).timestamp():
        raise TokenRefused("too_old")
    if made > (now + LEEWAY).timestamp():
        raise TokenRefused("from_the_future")
    if not _same(parsed.claims.get("sd_hash"), _digest(bound)):
        raise TokenRefused("other_selection")


def _opened(payload: Mapping[str, Any], parts: Sequence[str]) -> Mapping[str, Any]:
    if payload.get("_sd_alg", DIGESTS) != DIGESTS:
        raise TokenRefused("digest_algorithm")
    disclosures = _Disclosures(parts)
    claims: dict[str, Any] = disclosures.put_into(
        {name: value for name, value in payload.items() if name != "_sd_alg"}, 0
    )
    disclosures.check_all_used()
    if _ALWAYS_OPEN & (claims.keys() - payload.keys()):
        raise TokenRefused("hidden_claim")
    return claims


class _Disclosures:
    """The disclosures by their digest, each put once where the issuer left its place (RFC 9901, section 7.1)."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._by_digest = {_digest(part): _disclosure(part) for part in parts}
        self._met: set[str] = set()
        if len(self._by_digest) != len(parts):
            raise TokenRefused("disclosure_twice")

    def check_all_used(self) -> None:
        """Raise `TokenRefused` for one that the issuer left no place for."""
        if self._by_digest.keys() - self._met:
            raise TokenRefused("disclosure_added")

    def put_into(self, value: Any, depth: int) -> Any:
        """The value with everything that is disclosed in it, and without the places of what is not."""
        if depth > DEEPEST:
            raise TokenRefused("too_deep")
        if isinstance(value, dict):
            return self._object(value, depth + 1)
        return self._array(value, depth + 1) if isinstance(value, list) else value

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        digests = value.get("_sd", [])
        if not isinstance(digests, list) or "..." in value:
            raise TokenRefused("malformed")
        found = {name: self.put_into(one, depth) for name, one in value.items() if name != "_sd"}
        for digest in digests:
            disclosure = self._take(digest, 3)
            if disclosure is None:
                continue
            name = disclosure[1]
            if not isinstance(name, str) or name in _RESERVED:
                raise TokenRefused("disclosure")
            if name in found:
                raise TokenRefused("claim_twice")
            found[name] = self.put_into(disclosure[2], depth)
        return found

    def _array(self, value: Sequence[Any], depth: int) -> list[Any]:
        found = []
        for one in value:
            if not (isinstance(one, dict) and one.keys() == {"..."}):
                found.append(self.put_into(one, depth))
            elif (disclosure := self._take(one["..."], 2)) is not None:
                found.append(self.put_into(disclosure[1], depth))
        return found

    def _take(self, digest: object, length: int) -> list[Any] | None:
        """What belongs to a digest, as long as it must be there; None when the holder kept it."""
        if not isinstance(digest, str):
            raise TokenRefused("malformed")
        if digest in self._met:
            raise TokenRefused("digest_twice")
        self._met.add(digest)
        disclosure = self._by_digest.get(digest)
        if disclosure is not None and len(disclosure) != length:
            raise TokenRefused("disclosure")
        return disclosure


def _disclosure(part: str) -> list[Any]:
    value = encoded_json(part)
    if not isinstance(value, list) or len(value) not in (2, 3) or not isinstance(value[0], str):
        raise TokenRefused("disclosure")
    return value


def _digest(text: str) -> str:
    return b64url(sha256(text.encode()).digest())


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())
