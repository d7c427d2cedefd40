"""An authenticator without a device, for the story that plays without a window, and for tests: it verifies nobody.

Each part of what it signs can be set, so that an answer can be made wrong in one place and right in all others.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from webauthn.helpers import encode_cbor

from security.encoding import b64url, unb64url

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
ELIGIBLE: Final = 0x08
BACKED_UP: Final = 0x10
ATTESTED: Final = 0x40
USUAL: Final = PRESENT | VERIFIED
SYNCED: Final = ELIGIBLE | BACKED_UP


class Signer(Protocol):
    """One algorithm's key: its COSE form, and signatures by it."""

    def cose(self) -> dict[int, Any]:
        """The public key as WebAuthn carries it."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature."""
        ...


class P256Key:
    """ES256."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def cose(self) -> dict[int, Any]:
        """See `Signer`."""
        at = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: at.x.to_bytes(32, "big"), -3: at.y.to_bytes(32, "big")}

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


class EdwardsKey:
    """EdDSA over Ed25519."""

    def __init__(self) -> None:
        self._key = ed25519.Ed25519PrivateKey.generate()

    def cose(self) -> dict[int, Any]:
        """See `Signer`."""
        return {1: 1, 3: -8, -1: 6, -2: self._key.public_key().public_bytes_raw()}

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(message)


class RsaKey:
    """RS256."""

    def __init__(self, bits: int = 2048) -> None:
        self._key = rsa.generate_private_key(65537, bits)

    def cose(self) -> dict[int, Any]:
        """See `Signer`."""
        at = self._key.public_key().public_numbers()
        return {1: 3, 3: -257, -1: at.n.to_bytes(self._key.key_size // 8, "big"), -2: at.e.to_bytes(3, "big")}

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class SoftPasskey:
    """One passkey. `counter` None is one that does not count, as synced ones do not; `origin` is where the page is."""

    origin: str
    rp_id: str
    signer: Signer = field(default_factory=P256Key)
    backup: int = SYNCED
    counter: int | None = None
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""

    def create(self, options: Mapping[str, Any], **changed: Any) -> str:
        """The answer to what `navigator.credentials.create` was asked."""
        self.user_handle = unb64url(options["user"]["id"])
        attested = self.attested(changed.pop("cose", None), changed.pop("attested_id", None))
        attestation = changed.pop("attestation", {"fmt": "none", "attStmt": {}})
        flags = changed.pop("flags", USUAL | self.backup) | ATTESTED
        data = self.authenticator_data(flags, rp_id=changed.pop("signed_rp_id", None)) + attested
        client = self.client_data("webauthn.create", options["challenge"], changed)
        response = {
            "clientDataJSON": b64url(client),
            "attestationObject": b64url(encode_cbor({**attestation, "authData": data})),
            "transports": changed.pop("transports", ["internal", "hybrid"]),
        }
        return self._document(response, changed)

    def get(self, options: Mapping[str, Any], **changed: Any) -> str:
        """The answer to what `navigator.credentials.get` was asked; the counter, where there is one, goes up."""
        if self.counter is not None:
            self.counter += 1
        flags = changed.pop("flags", USUAL | self.backup)
        counter, rp_id = changed.pop("counter", None), changed.pop("signed_rp_id", None)
        data = self.authenticator_data(flags, rp_id=rp_id, counter=counter)
        client = self.client_data("webauthn.get", options["challenge"], changed)
        signature = self.signer.sign(data + hashlib.sha256(client).digest())
        response = {
            "clientDataJSON": b64url(client),
            "authenticatorData": b64url(changed.pop("swapped_data", data)),
            "signature": b64url(changed.pop("signature", signature)),
            "userHandle": b64url(self.user_handle),
        }
        return self._document(response, changed)

    def client_data(self, ceremony: str, challenge: str, changed: dict[str, Any]) -> bytes:
        """What the browser signs along; `client` in `changed` replaces parts of it, `client_bytes` the whole."""
        whole: bytes | None = changed.pop("client_bytes", None)
        if whole is not None:
            return whole
        document = {"type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**document, **changed.pop("client", {})}).encode()

    def authenticator_data(self, flags: int, *, rp_id: str | None = None, counter: int | None = None) -> bytes:
        """The 37 bytes that every answer begins with (WebAuthn section 6.1)."""
        count = counter if counter is not None else (self.counter or 0)
        return hashlib.sha256((rp_id or self.rp_id).encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def attested(self, cose: dict[int, Any] | None = None, credential_id: bytes | None = None) -> bytes:
        """A new credential as it is attested: no model, id, public key."""
        named = credential_id or self.credential_id
        return bytes(16) + len(named).to_bytes(2, "big") + named + encode_cbor(cose or self.signer.cose())

    def _document(self, response: dict[str, Any], changed: dict[str, Any]) -> str:
        named = b64url(changed.pop("credential_id", self.credential_id))
        response |= changed.pop("response", {})
        document = {"id": named, "rawId": named, "type": "public-key", "response": response, **changed}
        return json.dumps(document)
