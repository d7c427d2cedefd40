"""Commitments: one message can be proved to a third party later, and nothing can be proved once its key is gone.

A hash of the ciphertext is not enough: one AES-GCM ciphertext can open to two texts under two keys.
A plain hash of the text is too much: short texts can be guessed from it.
"""

import hmac
from hashlib import sha256

from security.encoding import join
from security.errors import EncodingError, ProofInvalid
from security.keys import DataKey

_OPENING_BYTES = 32


def opening(key: DataKey, message_id: str) -> bytes:
    """Return the 32-byte opening of one message; disclosing it proves that message and no other."""
    return hmac.digest(key.commitment.reveal(), b"riserbo/v1/opening\0" + message_id.encode(), "sha256")


def commit(opening: bytes, context: bytes, body: bytes) -> bytes:
    """Return the 32-byte commitment to a body in its context (who, where, when), as it goes into a leaf."""
    if len(opening) != _OPENING_BYTES:
        # HMAC pads short keys and hashes long ones, so other lengths give one commitment two openings.
        raise EncodingError("an opening has 32 bytes")
    return hmac.digest(opening, b"riserbo/v1/commit\0" + join(context, body), "sha256")


def check_commitment(opening: bytes, context: bytes, body: bytes, expected: bytes) -> None:
    """Raise ProofInvalid unless the opening shows that `expected` commits to exactly this body and context."""
    if len(opening) != _OPENING_BYTES or not hmac.compare_digest(commit(opening, context, body), expected):
        raise ProofInvalid("the commitment is to something else")


def ciphertext_hash(sealed: bytes) -> bytes:
    """Return the SHA-256 of sealed bytes, which ties a leaf to what is stored."""
    return sha256(sealed).digest()
