"""Random names and bearer tokens, and the hashes under which tokens are stored."""

import base64
import secrets
from hashlib import sha256
from typing import Final

from security.encoding import b64url
from security.errors import EncodingError

_TOKEN_BYTES: Final = 32
_SLUG_BYTES: Final = 16
_REFERENCE_CHARS: Final = 12
_GROUP_CHARS: Final = 4
# No 0, 1, I, L, O, U: people read these references over the phone.
_REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_MAX_TYPED_CHARS: Final = 64


def new_token() -> str:
    """Make a bearer token of 256 random bits as 43 base64url characters."""
    return b64url(secrets.token_bytes(_TOKEN_BYTES))


def token_hash(token: str) -> bytes:
    """Return the SHA-256 under which a token is stored and found; any text has one, so a strange cookie is unknown.

    A plain hash is enough, because 256 random bits cannot be guessed.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_slug() -> str:
    """Make the public id of a case link: 128 random bits as 26 lower-case base32 characters."""
    return base64.b32encode(secrets.token_bytes(_SLUG_BYTES)).decode("ascii").rstrip("=").lower()


def new_reference() -> str:
    """Make a reference of 58 random bits that a person can read out: XXXX-XXXX-XXXX."""
    return _grouped("".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(_REFERENCE_CHARS)))


def typed_reference(text: str) -> str:
    """Return a reference as it was made from how a person typed it: any case, spaces and hyphens anywhere."""
    if len(text) > _MAX_TYPED_CHARS:
        raise EncodingError("not a reference")
    chars = "".join(text.replace("-", "").split())
    # Some other letters become two plain ones in upper case.
    if not chars.isascii() or len(chars) != _REFERENCE_CHARS or set(chars.upper()) - set(_REFERENCE_ALPHABET):
        raise EncodingError("not a reference")
    return _grouped(chars.upper())


def _grouped(chars: str) -> str:
    return "-".join(chars[at : at + _GROUP_CHARS] for at in range(0, len(chars), _GROUP_CHARS))
