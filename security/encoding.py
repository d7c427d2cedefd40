"""One way to turn fields into bytes and one way to read them back; a second spelling is refused, not repaired."""

import base64
import json
import re

from security.errors import EncodingError

_B64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_MAX_DEPTH = 32
# Beyond this a JavaScript reader sees another number than was hashed (RFC 7493 section 2.2).
_MAX_INTEGER = 2**53 - 1


def b64url(value: bytes) -> str:
    """Encode as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """Decode canonical unpadded base64url; any other spelling of the same bytes raises EncodingError."""
    if _B64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise EncodingError("not base64url")
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(value) != text:
        # Stray bits after the last byte would give one value several names.
        raise EncodingError("not canonical base64url")
    return value


def join(*parts: bytes) -> bytes:
    """Concatenate parts, each behind its length as 8 bytes big-endian, so that no two lists give the same bytes."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def canonical_json(value: object) -> bytes:
    """Encode as compact UTF-8 JSON with keys sorted by code point; raises EncodingError for what has no single form.

    Allowed are None, bool, str, integers of at most 53 bits, lists, tuples, and dicts with str keys, at most 32 levels,
    the innermost value included.
    """
    _require_plain(value, _MAX_DEPTH)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return _utf8(text)


def _require_plain(value: object, depth: int) -> None:
    if depth == 0:
        raise EncodingError("nested too deeply")
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise EncodingError("integer beyond 53 bits")
    elif isinstance(value, (list, tuple)):
        for item in value:
            _require_plain(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                # json.dumps would silently turn 1 and "1" into the same key.
                raise EncodingError("object key is not text")
            _require_plain(item, depth - 1)
    else:
        raise EncodingError(f"{type(value).__name__} has no canonical form")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise EncodingError("text is not valid Unicode") from None
