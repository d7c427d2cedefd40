"""Sealed values: AES-256-GCM under a data key, bound to table, column, row and version of the place they live in."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from security.encoding import join
from security.errors import DecryptionFailed
from security.keys import KEY_BYTES, DataKey

FRAME_BYTES: Final = 64 * 1024
_VALUE: Final = b"\x01"
_STREAM: Final = b"\x02"
_ID_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 32
_TAG_BYTES: Final = 16
_VALUE_HEADER: Final = 1 + _ID_BYTES + _NONCE_BYTES
_STREAM_HEADER: Final = 1 + _ID_BYTES + _SALT_BYTES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lives; the version counts rewrites of the same cell, so that an old text cannot return."""

    table: str
    column: str
    row: str
    version: int = 1

    def context(self, label: bytes, key_id: UUID) -> bytes:
        """Return the associated data that ties a ciphertext to this place and key."""
        names = (self.table.encode(), self.column.encode(), self.row.encode(), str(self.version).encode())
        return join(label, *names, key_id.bytes)


def seal(key: DataKey, place: Place, plaintext: bytes) -> bytes:
    """Seal a value for one place."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    context = place.context(b"riserbo/envelope/v1", key.id)
    return _VALUE + key.id.bytes + nonce + AESGCM(key.encryption.reveal()).encrypt(nonce, plaintext, context)


def open_sealed(key: DataKey, place: Place, sealed: bytes) -> bytes:
    """Open a value in its place; raises DecryptionFailed for any other key, place or byte."""
    if sealed[:1] != _VALUE or len(sealed) < _VALUE_HEADER + _TAG_BYTES or sealed[1:17] != key.id.bytes:
        raise DecryptionFailed("not a value sealed under this key")
    nonce, ciphertext = sealed[1 + _ID_BYTES : _VALUE_HEADER], sealed[_VALUE_HEADER:]
    return _decrypt(AESGCM(key.encryption.reveal()), nonce, ciphertext, place.context(b"riserbo/envelope/v1", key.id))


def key_id_of(sealed: bytes) -> UUID:
    """Return the id of the data key that a sealed value or stream names; nothing is verified by this."""
    if sealed[:1] not in (_VALUE, _STREAM) or len(sealed) < _VALUE_HEADER:
        raise DecryptionFailed("not a sealed value")
    return UUID(bytes=sealed[1 : 1 + _ID_BYTES])


def seal_chunks(key: DataKey, place: Place, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Seal a stream of any chunk sizes as a header and frames of 64 KiB."""
    salt = secrets.token_bytes(_SALT_BYTES)
    context = place.context(b"riserbo/envelope-stream/v1", key.id)
    cipher = _stream_cipher(key, salt, context)
    yield _STREAM + key.id.bytes + salt
    for index, last, frame in _frames(chunks, FRAME_BYTES):
        yield cipher.encrypt(_frame_nonce(index), frame, _frame_context(context, index, last))


def open_chunks(key: DataKey, place: Place, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Open a sealed stream cut in any way; each piece is authentic, but only a completed iteration is the whole.

    Raises DecryptionFailed where the stream is cut, reordered, repeated, extended, moved or changed.
    """
    source = iter(chunks)
    held = b""
    while len(held) < _STREAM_HEADER:
        held += _next_or_refuse(source)
    header, held = held[:_STREAM_HEADER], held[_STREAM_HEADER:]
    if header[:1] != _STREAM or header[1 : 1 + _ID_BYTES] != key.id.bytes:
        raise DecryptionFailed("not a stream sealed under this key")
    context = place.context(b"riserbo/envelope-stream/v1", key.id)
    cipher = _stream_cipher(key, header[1 + _ID_BYTES :], context)
    for index, last, frame in _frames(_chain(held, source), FRAME_BYTES + _TAG_BYTES):
        yield _decrypt(cipher, _frame_nonce(index), frame, _frame_context(context, index, last))


def _next_or_refuse(source: Iterator[bytes]) -> bytes:
    try:
        return next(source)
    except StopIteration:
        raise DecryptionFailed("the stream ends inside its header") from None


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _frames(chunks: Iterable[bytes], size: int) -> Iterator[tuple[int, bool, bytes]]:
    # A full frame is held back until another byte shows that it is not the last one.
    held = bytearray()
    index = 0
    for chunk in chunks:
        held += chunk
        while len(held) > size:
            yield index, False, bytes(held[:size])
            del held[:size]
            index += 1
    yield index, True, bytes(held)


def _stream_cipher(key: DataKey, salt: bytes, context: bytes) -> AESGCM:
    # Each stream has a key of its own, so that counting nonces cannot meet those of another stream or value.
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=salt, info=context).derive(key.encryption.reveal()))


def _frame_nonce(index: int) -> bytes:
    return index.to_bytes(_NONCE_BYTES, "big")


def _frame_context(context: bytes, index: int, last: bool) -> bytes:
    return join(context, str(index).encode(), b"last" if last else b"more")


def _decrypt(cipher: AESGCM, nonce: bytes, ciphertext: bytes, context: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, ciphertext, context)
    except InvalidTag:
        raise DecryptionFailed("does not open here") from None
