"""One RSA key pair of the issuer: costly to make, so it is made once, and by no code of ours."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey


@cache
def rsa_key() -> RSAKey:
    """The pair."""
    return RSAKey(made := rsa.generate_private_key(65537, 2048), made, {"kid": "rsa", "use": "sig"})
