"""Key files of an installation: made once, mode 0600; refused when others can read them or when they are a demo's."""

from __future__ import annotations

import json
import os
import secrets
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from security import jwts
from security.encoding import b64url, unb64url
from security.errors import SecurityError
from security.keys import KeyRing
from security.notes import SigningKey
from security.secret import Secret
from security.tokens import new_token, token_hash

KEK_FILE: Final = "key-encryption-keys.json"
LOG_KEY_FILE: Final = "log-signing-key.json"
EXPORT_KEY_FILE: Final = "export-signing-key.json"
TOKEN_KEY_FILE: Final = "token-signing-keys.json"  # noqa: S105 (a name)
PUBLISHED_FOR: Final = timedelta(days=1)
"""How long a token key that signs no more stays in the key set: far beyond any token, for those who keep key sets."""
HASH_BYTES: Final = 32
SIGNER_MEMORY: Final = "signer-memory.json"


def make_scim_token(path: Path) -> str:
    """A new token for the provisioning client; the file keeps its hash alone, and the old token ends with it."""
    token = new_token()
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    _write_new(draft, {"sha256": token_hash(token).hex()})
    draft.replace(path)
    return token


def read_scim_token(path: Path) -> bytes:
    """The hash in the file; raises `KeyFileRefused`."""
    try:
        found = bytes.fromhex(str(_read(path)["sha256"]))
    except (ValueError, KeyError):
        found = b""
    if len(found) != HASH_BYTES:
        raise KeyFileRefused(f"{path.name} is no hash of a token; make one with `riserbo agents scim-token`")
    return found


class KeyFileRefused(Exception):
    """The file is missing, readable by others, weak, or made for the demonstration."""


def needed(folder: Path) -> list[str]:
    """The files that must be right; one for tokens only where programs have tokens of ours."""
    names = [KEK_FILE, LOG_KEY_FILE, EXPORT_KEY_FILE]
    return [*names, TOKEN_KEY_FILE] if (folder / TOKEN_KEY_FILE).exists() else names


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


def make_token_key_file(path: Path, *, demo: bool = False) -> None:
    """A new ES256 key for access tokens."""
    _write_new(path, {"signing": [{"jwk": jwts.SigningKey.new().private_jwk(), "retired_at": None}], "demo": demo})


def rotate_token_key(path: Path, now: datetime) -> tuple[str, str]:
    """Sign with a new key from now on; the old one stays in the key set for a day. Returns the names of both."""
    document = _read(path)
    old, new = jwts.SigningKey.of_jwk(document["signing"][0]["jwk"]), jwts.SigningKey.new()
    document["signing"][0]["retired_at"] = now.isoformat()
    kept = [one for one in document["signing"] if _is_published(one, now)]
    document["signing"] = [{"jwk": new.private_jwk(), "retired_at": None}, *kept]
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    _write_new(draft, document)
    draft.replace(path)
    return old.kid, new.kid


class TokenKeyFile:
    """The keys of our access tokens, read anew when the file changes, so that a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._listed: list[tuple[jwts.SigningKey, dict[str, Any]]] = []

    def current(self) -> jwts.SigningKey:
        """The key that signs; raises `KeyFileRefused`."""
        return self._keys()[0][0]

    def published(self, now: datetime) -> list[dict[str, str]]:
        """The public halves that a token may still name; none where there is no key yet."""
        if not self._path.exists():
            return []
        return [key.public_jwk() for key, entry in self._keys() if _is_published(entry, now)]

    def _keys(self) -> list[tuple[jwts.SigningKey, dict[str, Any]]]:
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_size) != self._seen:
                document = _read(self._path)["signing"]
                self._listed = [(jwts.SigningKey.of_jwk(one["jwk"]), one) for one in document]
                self._seen = (status.st_mtime_ns, status.st_size)
            self._listed[0]
        except (OSError, LookupError, TypeError, SecurityError) as fault:
            raise KeyFileRefused(f"{self._path.name} is no token key ({type(fault).__name__})") from None
        return self._listed


def _is_published(entry: dict[str, Any], now: datetime) -> bool:
    retired = entry["retired_at"]
    return retired is None or now - datetime.fromisoformat(retired) < PUBLISHED_FOR


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
    if path.name == TOKEN_KEY_FILE:
        TokenKeyFile(path).current()


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
