"""The one way in for signed JSON Web Tokens (RFC 7515, 7519, 8725), and the one way to make them.

Every check is explicit: algorithm, key, type, issuer, the one audience, times, sizes. Keys come from the caller, never
from the token; a token that names a place for its key, or an extension that must be understood, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from security.encoding import unb64url
from security.errors import EncodingError, TokenRefused, UnknownSigner, WeakKey

ALGORITHMS: Final = ("ES256", "PS256", "RS256")
OWN_ALGORITHM: Final = "ES256"
LEEWAY: Final = timedelta(seconds=30)
LARGEST_TOKEN: Final = 16 * 1024
LARGEST_HEADER: Final = 4 * 1024
LARGEST_CHAIN: Final = 12 * 1024
"""A header with certificates in it."""
MOST_KEYS: Final = 50
_SMALLEST_RSA: Final = 2048
_LAST_TIME: Final = 253_402_300_799
"""The end of the year 9999: what lies behind it is no date for anybody who computes with it."""
_KEY_TYPES: Final = {"ES256": "EC", "PS256": "RSA", "RS256": "RSA"}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# jku and x5u also make a careless verifier fetch an address of the attacker's choice.
_BROUGHT_KEYS: Final = frozenset({"jwk", "jku", "x5u", "x5c"})
_EXTENSIONS: Final = frozenset({"crit", "b64", "zip", "enc"})

PublicKey = ECKey | RSAKey


@dataclass(frozen=True)
class Expected:
    """What a token must be.

    `typ` lists the accepted types without `application/`, "" for a token that has none. `longest` bounds how far ahead
    `exp` may lie, `oldest` how long ago `iat` may be. `plain_audience` refuses even a list of one.
    """

    issuer: str
    audience: str
    typ: Collection[str]
    algorithms: Collection[str] = ALGORITHMS
    required: Collection[str] = ("iat",)
    longest: timedelta | None = None
    oldest: timedelta | None = None
    plain_audience: bool = False


@dataclass(frozen=True)
class Parsed:
    """A token in its one spelling, believed in nothing yet."""

    text: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The header's `alg`; "" when it is none or not text."""
        name = self.header.get("alg")
        return name if isinstance(name, str) else ""


class VerificationKeys:
    """The public keys of one issuer, found by key id and algorithm."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        self._keys: Final = tuple(keys)

    @classmethod
    def of_jwks(cls, document: object) -> VerificationKeys:
        """The usable signature keys of a key set (RFC 7517); raises `TokenRefused("keys")` when there is none.

        What we cannot use (encryption, other curves, shared secrets, short RSA) is skipped, as the RFC asks.
        """
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list) or len(listed) > MOST_KEYS:
            raise TokenRefused("keys")
        found = [key for one in listed if (key := _usable(one)) is not None]
        if not found:
            raise TokenRefused("keys")
        return cls(found)

    def find(self, kid: object, algorithm: str) -> PublicKey:
        """The only key that fits; raises `UnknownSigner` for none, and for several, since guessing is no proof."""
        fits = [
            key
            for key in self._keys
            if key.key_type == _KEY_TYPES[algorithm]
            and key.get("alg") in (None, algorithm)
            and (kid is None or key.kid == kid)
        ]
        if len(fits) != 1:
            raise UnknownSigner("unknown_signer")
        return fits[0]


class SigningKey:
    """Our own key pair for assertions, requests and proofs: ES256. It does not print, and gives out its public half."""

    def __init__(self, key: ECKey) -> None:
        if not key.is_private or key.curve_name != "P-256":
            raise WeakKey("a token is signed with a private key on P-256")
        self._key: Final = key

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh pair."""
        return cls(ECKey.generate_key("P-256"))

    @classmethod
    def of_jwk(cls, document: object) -> SigningKey:
        """The pair as `private_jwk` gave it; raises WeakKey for anything else."""
        try:
            return cls(ECKey.import_key(document))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise WeakKey("not a private key on P-256") from None

    def __repr__(self) -> str:
        return f"<signing key {self.kid}>"

    @property
    def kid(self) -> str:
        """Its name: the RFC 7638 thumbprint."""
        return self._key.thumbprint()

    def public_jwk(self) -> dict[str, str]:
        """The public half, as it is published: named, for signatures, with its algorithm."""
        return {**self.bare_jwk(), "kid": self.kid, "use": "sig", "alg": OWN_ALGORITHM}

    def bare_jwk(self) -> dict[str, str]:
        """The public half and nothing else, as a DPoP proof carries it."""
        public = self._key.as_dict(private=False)
        return {name: str(public[name]) for name in ("kty", "crv", "x", "y")}

    def private_jwk(self) -> dict[str, str]:
        """The pair, for a key file or a sealed place."""
        return {**self.bare_jwk(), "d": str(self._key.as_dict(private=True)["d"])}

    def sign(self, claims: Mapping[str, Any], *, typ: str, header: Mapping[str, Any] | None = None) -> str:
        """A token of this type. The header names the key, unless `header` says how else it is known."""
        named = {"alg": OWN_ALGORITHM, "typ": typ, **({"kid": self.kid} if header is None else header)}
        registry = jws.JWSRegistry(algorithms=[OWN_ALGORITHM], strict_check_header=False)
        return jwt.encode(named, dict(claims), self._key, registry=registry)


def verify(token: str, keys: VerificationKeys, expected: Expected, now: datetime) -> Mapping[str, Any]:
    """The claims of a token that is all that was expected; raises `TokenRefused`, whose `reason` is one word."""
    parsed = parse(token)
    check_header(parsed, expected.typ, expected.algorithms)
    check_signature(parsed, keys.find(parsed.header.get("kid"), parsed.algorithm))
    check_claims(parsed.claims, expected, now)
    return parsed.claims


def parse(token: str, *, brings_key: bool = False, brings_chain: bool = False, largest: int = LARGEST_TOKEN) -> Parsed:
    """Read a token without believing it: for choosing whose keys to use.

    `brings_key` is for DPoP proofs only, `brings_chain` for credentials whose issuers have certificates.
    """
    if len(token) > largest:
        raise TokenRefused("too_large")
    parts = token.split(".")
    if len(parts) != 3:
        # five parts are an encrypted token
        raise TokenRefused("not_signed")
    if len(parts[0]) > (LARGEST_CHAIN if brings_chain else LARGEST_HEADER):
        raise TokenRefused("too_large")
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    if _EXTENSIONS & header.keys():
        raise TokenRefused("extension")
    brought = _BROUGHT_KEYS - ({"jwk"} if brings_key else set()) - ({"x5c"} if brings_chain else set())
    if brought & header.keys():
        raise TokenRefused("brought_key")
    return Parsed(token, header, claims)


def check_header(parsed: Parsed, typ: Collection[str], algorithms: Collection[str]) -> None:
    """Raise `TokenRefused` unless algorithm and type are among the accepted ones."""
    if parsed.algorithm not in algorithms or parsed.algorithm not in ALGORITHMS:
        raise TokenRefused("algorithm")
    named = parsed.header.get("typ", "")
    if not isinstance(named, str) or named.lower().removeprefix("application/") not in typ:
        raise TokenRefused("type")


def check_signature(parsed: Parsed, key: PublicKey) -> None:
    """Raise `TokenRefused` unless this key signed the token, by the algorithm that its header names."""
    registry = jws.JWSRegistry(algorithms=[parsed.algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = len(parsed.text)
    try:
        # canonical: another spelling of a signature would be a second token with the same meaning
        unb64url(parsed.text.rpartition(".")[2])
        jws.deserialize_compact(parsed.text, key, registry=registry)
    except (JoseError, EncodingError, ValueError):
        raise TokenRefused("signature") from None


def check_claims(claims: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    """Raise `TokenRefused` unless issuer, audience, times and required claims are right."""
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("issuer")
    accepted = (expected.audience,) if expected.plain_audience else (expected.audience, [expected.audience])
    if claims.get("aud") not in accepted:
        raise TokenRefused("audience")
    if not all(claims.get(name) not in (None, "") for name in expected.required):
        raise TokenRefused("incomplete")
    check_times(claims, now, longest=expected.longest, oldest=expected.oldest)


def check_times(
    claims: Mapping[str, Any], now: datetime, *, longest: timedelta | None = None, oldest: timedelta | None = None
) -> None:
    """Raise `TokenRefused` unless the claims hold now: `exp` is there and ahead, `nbf` and `iat` are not."""
    here, leeway = now.timestamp(), LEEWAY.total_seconds()
    ends, begins, made = (claim_time(claims, name) for name in ("exp", "nbf", "iat"))
    if ends is None or ends <= here - leeway:
        raise TokenRefused("expired")
    if longest is not None and ends > here + longest.total_seconds() + leeway:
        raise TokenRefused("too_long")
    if begins is not None and begins > here + leeway:
        raise TokenRefused("not_yet")
    if made is not None and made > here + leeway:
        raise TokenRefused("from_the_future")
    if oldest is not None and (made is None or made < here - oldest.total_seconds() - leeway):
        raise TokenRefused("too_old")


def claim_time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate claim; None when absent. Raises `TokenRefused` for what is no time (text, true, NaN, infinity)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_TIME:
        raise TokenRefused("time")
    return value


def public_key(document: object) -> PublicKey:
    """A public key from its JWK; raises `TokenRefused("key")` for one that is private, weak or of another kind."""
    if not isinstance(document, dict) or _PRIVATE & document.keys():
        raise TokenRefused("key")
    try:
        if document.get("kty") == "RSA" and int.from_bytes(unb64url(document["n"])).bit_length() < _SMALLEST_RSA:
            raise TokenRefused("key")
        key = JWKRegistry.import_key(document)
    except (JoseError, EncodingError, ValueError, KeyError, TypeError, AttributeError):
        raise TokenRefused("key") from None
    if not isinstance(key, RSAKey) and not (isinstance(key, ECKey) and key.curve_name == "P-256"):
        raise TokenRefused("key")
    return key


def _usable(document: object) -> PublicKey | None:
    try:
        key = public_key(document)
    except TokenRefused:
        return None
    return key if key.get("use", "sig") == "sig" and "verify" in (key.get("key_ops") or ["verify"]) else None


def _json_object(part: str) -> dict[str, Any]:
    value = encoded_json(part)
    if not isinstance(value, dict):
        raise TokenRefused("malformed")
    return value


def encoded_json(part: str) -> Any:
    """JSON in canonical base64url, as `strict_json` reads it."""
    try:
        return strict_json(unb64url(part))
    except EncodingError:
        raise TokenRefused("malformed") from None


def strict_json(text: bytes) -> Any:
    """JSON that two readers cannot read in two ways: a repeated name would show them two tokens."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise TokenRefused("malformed") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
