"""Keys: data keys and their wrapping under a rotating ring, derivation by purpose, keyed hashes."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encoding import join
from security.errors import DecryptionFailed, EncodingError, UnknownKey, WeakKey
from security.secret import Secret

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_WRAPPED_V1: Final = b"\x01"
_WRAPPED_BYTES: Final = 1 + _NONCE_BYTES + 2 * KEY_BYTES + 16
# Random keys of 32 bytes have fewer distinct bytes than this about once in 10^36 tries.
_FEWEST_DISTINCT: Final = 8
# Keys that everybody knows and that the pattern rules below do not catch.
_KNOWN_KEYS: Final = frozenset(
    [
        # NIST SP 800-38A section F.1.5, and RFC 8032 section 7.1 test 1.
        bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        # What a set-up script makes of a variable that was empty or left at its default.
        *(sha256(word).digest() for word in (b"", b"\n", b"admin", b"changeme", b"password", b"secret", b"test")),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class DataKey:
    """The two keys of one case or one room: one seals its values, one makes its commitments."""

    id: UUID
    encryption: Secret
    commitment: Secret

    def __post_init__(self) -> None:
        if {len(self.encryption.reveal()), len(self.commitment.reveal())} != {KEY_BYTES}:
            raise WeakKey("a data key is two keys of 32 bytes")
        if self.encryption == self.commitment:
            raise WeakKey("one key must not serve two purposes")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key sealed under one version of the key-encryption key; safe to store, useless without the ring."""

    version: int
    blob: bytes


def new_data_key(key_id: UUID) -> DataKey:
    """Make a fresh random data key."""
    return DataKey(key_id, Secret(secrets.token_bytes(KEY_BYTES)), Secret(secrets.token_bytes(KEY_BYTES)))


def require_strong(key: Secret) -> None:
    """Raise WeakKey for a key that is short, patterned, typed text, or printed in a manual."""
    value = key.reveal()
    if len(value) < KEY_BYTES:
        raise WeakKey("a key needs at least 32 bytes")
    if len(set(value)) < _FEWEST_DISTINCT or _repeats(value) or _counts(value):
        raise WeakKey("the key has a pattern")
    if all(0x20 <= byte < 0x7F for byte in value):
        # Random bytes look like text once in 10^13 tries; a pass phrase or a hex dump put in raw always does.
        raise WeakKey("the key is text, not random bytes")
    if value in _KNOWN_KEYS:
        raise WeakKey("the key is a published sample")


def _repeats(value: bytes) -> bool:
    return any(value[period:] == value[:-period] for period in range(1, len(value) // 2 + 1))


def _counts(value: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(value)}
    return len(steps) == 1


class KeyRing:
    """Versions of the key-encryption key: the current one wraps, every held one unwraps."""

    def __init__(self, versions: Mapping[int, Secret], current: int) -> None:
        if current not in versions:
            raise UnknownKey("the current version is not in the ring")
        for secret in versions.values():
            require_strong(secret)
        if len({sha256(secret.reveal()).digest() for secret in versions.values()}) != len(versions):
            # A rotation to the same bytes would look done and change nothing.
            raise WeakKey("two versions hold the same key")
        self.current: Final = current
        self._ciphers: Final = {v: AESGCM(derive(s, "key-wrapping").reveal()) for v, s in versions.items()}

    def __repr__(self) -> str:
        return f"<key ring, current version {self.current} of {sorted(self._ciphers)}>"

    def wrap(self, key: DataKey) -> WrappedKey:
        """Seal a data key under the current version."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        both = key.encryption.reveal() + key.commitment.reveal()
        sealed = self._ciphers[self.current].encrypt(nonce, both, _wrapping_context(key.id, self.current))
        return WrappedKey(self.current, _WRAPPED_V1 + nonce + sealed)

    def unwrap(self, key_id: UUID, wrapped: WrappedKey) -> DataKey:
        """Open a wrapped key; raises UnknownKey for a version not held, DecryptionFailed for anything else wrong."""
        cipher = self._ciphers.get(wrapped.version)
        if cipher is None:
            raise UnknownKey("no such version of the key-encryption key")
        blob = wrapped.blob
        if len(blob) != _WRAPPED_BYTES or blob[:1] != _WRAPPED_V1:
            raise DecryptionFailed("not a wrapped key")
        nonce, sealed = blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
        try:
            # The id in the context stops an insider from giving one room's key another room's name.
            both = cipher.decrypt(nonce, sealed, _wrapping_context(key_id, wrapped.version))
        except InvalidTag:
            raise DecryptionFailed("the wrapped key does not open") from None
        return DataKey(key_id, Secret(both[:KEY_BYTES]), Secret(both[KEY_BYTES:]))


def _wrapping_context(key_id: UUID, version: int) -> bytes:
    return join(b"riserbo/wrapped-key/v1", key_id.bytes, str(version).encode())


def derive(secret: Secret, purpose: str) -> Secret:
    """Derive the 32-byte key of one purpose (HKDF-SHA256, RFC 5869); raises WeakKey for a weak secret."""
    require_strong(secret)
    info = b"riserbo/v1/derive\0" + _purpose(purpose)
    return Secret(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(secret.reveal()))


def keyed_hash(key: Secret, purpose: str, value: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256 of a value for one purpose, for exact match without storing the value."""
    if len(key.reveal()) < KEY_BYTES:
        # Short or empty key material gives a digest that anybody can compute, so phone numbers could be guessed.
        raise WeakKey("a key needs at least 32 bytes")
    return hmac.digest(key.reveal(), join(b"riserbo/v1/keyed-hash", _purpose(purpose), value), "sha256")


def _purpose(purpose: str) -> bytes:
    if not purpose:
        raise EncodingError("a key needs a purpose")
    return purpose.encode()
