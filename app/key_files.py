"""Key files of an installation: made once, mode 0600; refused when others can read them or when they are a demo's."""

from __future__ import annotations

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from security import jwts
from security.encoding import b64url, unb64url
from security.errors import SecurityError
from security.keys import KeyRing
from security.notes import SigningKey
from security.secret import Secret

KEK_FILE: Final = "key-encryption-keys.json"
LOG_KEY_FILE: Final = "log-signing-key.json"
EXPORT_KEY_FILE: Final = "export-signing-key.json"
SIGNER_MEMORY: Final = "signer-memory.json"


class KeyFileRefused(Exception):
    """The file is missing, readable by others, weak, or made for the demonstration."""


def make_kek_file(path: Path, *, demo: bool = False) -> None:
    """A new file with one key-encryption key of 256 bits."""
    _write_new(path, {"current": 1, "keys": {"1": b64url(secrets.token_bytes(32))}, "demo": demo})


def add_kek_version(path: Path) -> int:
    """Add a key-encryption key and make it current; the older ones stay, for what they wrapped. Returns the version."""
    document = _read(path)
    version = max(int(number) for number in document["keys"]) + 1
    document["keys"][str(version)] = b64url(secrets.token_bytes(32))
    document["current"] = version
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    _write_new(draft, document)
    draft.replace(path)
    return version


def make_signing_key_file(path: Path, name: str, *, demo: bool = False) -> None:
    """A new Ed25519 key, named as its signatures will be (C2SP signed-note key name)."""
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    _write_new(path, {"name": name, "seed": b64url(seed), "demo": demo})


def read_signing_key(path: Path) -> SigningKey:
    """The signing key of a file; raises `KeyFileRefused`."""
    document = _read(path)
    try:
        return SigningKey(document["name"], Ed25519PrivateKey.from_private_bytes(unb64url(document["seed"])))
    except (KeyError, ValueError, SecurityError) as fault:
        raise KeyFileRefused(f"{path.name} is no signing key ({type(fault).__name__})") from None


def make_client_key_file(path: Path) -> None:
    """A new key pair by which an identity provider knows us (private JWK, P-256)."""
    _write_new(path, dict(jwts.SigningKey.new().private_jwk()))


def read_client_key(path: Path) -> jwts.SigningKey:
    """The pair of a file; raises `KeyFileRefused`, also for one that others can read."""
    try:
        _require_private(path)
        return jwts.SigningKey.of_jwk(_read(path))
    except SecurityError:
        raise KeyFileRefused(f"{path.name} is no private key on P-256") from None


def check_key_file(path: Path, *, demo: bool) -> None:
    """Raise `KeyFileRefused` unless the file may be used: not the demo's, not readable by others, no weak key."""
    document = _read(path)
    if document.get("demo") and not demo:
        raise KeyFileRefused(f"{path.name} was made for the demonstration; make real keys with `riserbo init`")
    _require_private(path)
    if "keys" in document:
        try:
            versions = {int(number): Secret(unb64url(text)) for number, text in document["keys"].items()}
            KeyRing(versions, int(document["current"]))
        except (KeyError, ValueError, SecurityError) as fault:
            raise KeyFileRefused(f"{path.name} holds a weak or damaged key ({type(fault).__name__})") from None


def _require_private(path: Path) -> None:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileRefused(f"{path.name} can be read by others; allow only its owner (chmod 600)")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise KeyFileRefused(f"{path.name} is missing") from None
    except (OSError, ValueError) as fault:
        raise KeyFileRefused(f"{path.name} cannot be read ({type(fault).__name__})") from None
    if not isinstance(document, dict):
        raise KeyFileRefused(f"{path.name} is no key file")
    return document


def _write_new(path: Path, document: dict[str, Any]) -> None:
    """Born with mode 0600: there is no moment at which another user could open it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
