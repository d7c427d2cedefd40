"""Signed notes and checkpoints of the log, in the forms of C2SP signed-note and tlog-checkpoint, Ed25519.

A checkpoint is read more strictly than C2SP asks: no extension lines, one blank line, sizes below 2^63.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from security.errors import BadCheckpoint, BadSignature, EncodingError
from security.merkle import EMPTY_ROOT, HASH_BYTES

_ED25519: Final = b"\x01"
_PUBLIC_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
# As in golang.org/x/mod/sumdb/note: a note cannot make its reader work without end.
_MAX_SIGNATURES: Final = 100
_MAX_NOTE_CHARS: Final = 1_000_000
_SIGNATURE_LINE: Final = re.compile(r"\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_SIZE: Final = 2**63 - 1


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_KEY_ID_BYTES]


def _require_name(name: str) -> None:
    if not name or "+" in name or not name.isprintable() or any(char.isspace() for char in name):
        raise EncodingError("a key name is not empty and has no space, plus or control character")


def _unb64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EncodingError("not base64") from None
    if base64.b64encode(value).decode("ascii") != text:
        raise EncodingError("not canonical base64")
    return value


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A named public key that may sign notes."""

    name: str
    public: Ed25519PublicKey

    def __post_init__(self) -> None:
        _require_name(self.name)

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, 0x01, public key)."""
        return _key_id(self.name, self.public.public_bytes_raw())

    def vkey(self) -> str:
        """Return the key as one line: name+id+key."""
        encoded = base64.b64encode(_ED25519 + self.public.public_bytes_raw()).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a line that `vkey` wrote; raises EncodingError for any other form or a wrong id."""
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise EncodingError("not a verifier key")
        raw = _unb64(parts[2])
        if len(raw) != 1 + _PUBLIC_BYTES or raw[:1] != _ED25519:
            raise EncodingError("not an Ed25519 verifier key")
        key = cls(parts[0], Ed25519PublicKey.from_public_bytes(raw[1:]))
        if key.vkey() != vkey:
            raise EncodingError("the key's id does not belong to its name and bytes")
        return key


class SigningKey:
    """A named private key that signs notes; it does not print."""

    __slots__ = ("_private", "name")

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        _require_name(name)
        self.name = name
        self._private = private

    def verifying_key(self) -> VerifyingKey:
        """Return the public half."""
        return VerifyingKey(self.name, self._private.public_key())

    def vkey(self) -> str:
        """Return the public half as one line, for trust files."""
        return self.verifying_key().vkey()

    def signature_line(self, text: str) -> str:
        """Return this key's signature line over a text, so that two keys can sign the same note."""
        _require_text(text)
        signature = self.verifying_key().key_id + self._private.sign(text.encode())
        return f"\u2014 {self.name} {base64.b64encode(signature).decode('ascii')}\n"

    def sign(self, text: str) -> str:
        """Return the whole note: text, blank line, signature line; the text ends with a newline."""
        return f"{text}\n{self.signature_line(text)}"


def _require_text(text: str) -> None:
    if not text.endswith("\n") or text.startswith("\n") or "\n\n" in text:
        raise EncodingError("a note's text is whole lines without a blank one")
    if any(char < " " and char != "\n" for char in text):
        # A carriage return would survive on one system and vanish on the next.
        raise EncodingError("a note's text has no control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EncodingError("a note's text is valid Unicode") from None


def open_note(note: str, keys: Sequence[VerifyingKey]) -> str:
    """Return the text of a note that at least one of the keys signed; raises BadSignature.

    Signatures by other keys are ignored, a wrong signature by one of these keys refuses the note.
    """
    text, lines = _split_note(note)
    known = {(key.name, key.key_id): key.public for key in keys}
    verified = 0
    for line in lines:
        name, key_id, signature = _read_signature(line)
        public = known.get((name, key_id))
        if public is None:
            continue
        try:
            public.verify(signature, text.encode())
        except InvalidSignature:
            raise BadSignature("a known key's signature is wrong") from None
        verified += 1
    if not verified:
        raise BadSignature("no known key signed this")
    return text


def _split_note(note: str) -> tuple[str, list[str]]:
    if len(note) > _MAX_NOTE_CHARS:
        raise BadSignature("the note is too long")
    head, blank, tail = note.partition("\n\n")
    lines = tail.split("\n")
    if not blank or len(lines) < 2 or lines[-1] or len(lines) - 1 > _MAX_SIGNATURES:
        raise BadSignature("not a signed note")
    text = head + "\n"
    try:
        _require_text(text)
    except EncodingError:
        raise BadSignature("not the text of a note") from None
    return text, lines[:-1]


def _read_signature(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise BadSignature("not a signature line")
    name = match[1]
    try:
        _require_name(name)
        raw = _unb64(match[2])
    except EncodingError:
        raise BadSignature("not a signature line") from None
    if len(raw) <= _KEY_ID_BYTES:
        raise BadSignature("not a signature line")
    return name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: whose, how many leaves, and their root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or not self.origin.isprintable():
            raise BadCheckpoint("the origin is one printable line")
        if not 0 <= self.size <= _MAX_SIZE:
            raise BadCheckpoint("the size is out of range")
        if len(self.root) != HASH_BYTES or (self.size == 0) != (self.root == EMPTY_ROOT):
            raise BadCheckpoint("the root does not fit the size")

    def text(self) -> str:
        """Return the three lines to be signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read exactly three lines; raises BadCheckpoint for anything else, extension lines included."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise BadCheckpoint("a checkpoint has three lines")
        if _SIZE.fullmatch(lines[1]) is None:
            raise BadCheckpoint("the size is a plain decimal number")
        try:
            root = _unb64(lines[2])
        except EncodingError:
            raise BadCheckpoint("the root is canonical base64") from None
        return cls(lines[0], int(lines[1]), root)
