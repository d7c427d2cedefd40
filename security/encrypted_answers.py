"""Answers that a wallet encrypts to a key of one question (JWE, RFC 7516; OpenID4VP section 8.3).

One way of encrypting only: ECDH-ES on P-256 with AES-GCM, nothing compressed. The key lives as long as its question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from security.errors import TokenRefused, WeakKey
from security.jwts import LARGEST_HEADER, encoded_json, public_key, strict_json

AGREEMENT: Final = "ECDH-ES"
CIPHERS: Final = ("A128GCM", "A256GCM")
LARGEST_ANSWER: Final = 40 * 1024
# What a header may say; `zip` would let a small text become a large one.
_KNOWN: Final = frozenset({"alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty"})


class AnswerKey:
    """The pair that one answer is encrypted to. It does not print."""

    def __init__(self, key: ECKey) -> None:
        if not key.is_private or key.curve_name != "P-256":
            raise WeakKey("an answer is decrypted with a private key on P-256")
        self._key: Final = key

    @classmethod
    def new(cls) -> AnswerKey:
        """A fresh pair."""
        return cls(ECKey.generate_key("P-256"))

    @classmethod
    def of_jwk(cls, document: Mapping[str, Any]) -> AnswerKey:
        """The pair as `private_jwk` gave it; raises `WeakKey` for anything else."""
        try:
            return cls(ECKey.import_key(dict(document)))
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise WeakKey("not a private key on P-256") from None

    def __repr__(self) -> str:
        return f"<answer key {self.kid}>"

    @property
    def kid(self) -> str:
        """Its RFC 7638 thumbprint."""
        return self._key.thumbprint()

    def public_jwk(self) -> dict[str, str]:
        """The public half, as a request carries it."""
        public = self._key.as_dict(private=False)
        bare = {name: str(public[name]) for name in ("kty", "crv", "x", "y")}
        return {**bare, "kid": self.kid, "use": "enc", "alg": AGREEMENT}

    def private_jwk(self) -> dict[str, str]:
        """The pair, for a sealed place."""
        private = self._key.as_dict(private=True)
        return {name: str(private[name]) for name in ("kty", "crv", "x", "y", "d")}

    def decrypt(self, text: str) -> Mapping[str, Any]:
        """The JSON object in an answer; raises `TokenRefused`."""
        if len(text) > LARGEST_ANSWER:
            raise TokenRefused("too_large")
        parts = text.split(".")
        # the second part would be a key of somebody's: here it is agreed on, never sent
        if len(parts) != 5 or len(parts[0]) > LARGEST_HEADER or parts[1]:
            raise TokenRefused("not_encrypted")
        header = encoded_json(parts[0])
        if not isinstance(header, dict) or header.keys() - _KNOWN:
            raise TokenRefused("extension")
        if header.get("alg") != AGREEMENT or header.get("enc") not in CIPHERS:
            raise TokenRefused("algorithm")
        if header.get("kid") != self.kid:
            raise TokenRefused("other_key")
        public_key(header.get("epk"))
        registry = jwe.JWERegistry(algorithms=[AGREEMENT, *CIPHERS])
        try:
            opened = jwe.decrypt_compact(text, self._key, registry=registry).plaintext
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise TokenRefused("decryption") from None
        value = strict_json(opened or b"")
        if not isinstance(value, dict):
            raise TokenRefused("malformed")
        return value
