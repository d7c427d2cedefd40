"""Looking for secrets in raw bytes, whatever way they were written: as text, base64, hexadecimal, URL, JSON, backwards."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 5
SHORTEST_CORE: Final = 8
# A few random bytes that happen to look like a short secret would be no find.
_DIGITS: Final = re.compile(rb"[0-9]{8}")


@dataclass(frozen=True)
class Find:
    """A secret that was found: which, in which form, where."""

    secret: str
    form: str
    place: str


def forms_of(secret: str | bytes) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every way in which the secret may stand in a file from which zero bytes were taken out.

    Without zero bytes UTF-16 reads like Latin-1, and a server's half-empty pages are quickly read.
    """
    raw = secret if isinstance(secret, bytes) else secret.encode()
    yield "plain", raw
    yield "reversed", raw[::-1]
    yield "hexadecimal", raw.hex().encode()
    yield "HEXADECIMAL", raw.hex().upper().encode()
    for before in range(3):
        core = base64_core(raw, before)
        if len(core) >= SHORTEST_CORE:
            yield f"base64 at {before}", core
            yield f"url-safe base64 at {before}", core.translate(bytes.maketrans(b"+/", b"-_"))
    if isinstance(secret, str):
        yield "UTF-16", secret.encode("utf-16-le").replace(b"\0", b"")
        yield "reversed text", secret[::-1].encode()
        yield "lower case", secret.lower().encode()
        yield "upper case", secret.upper().encode()
        yield "URL", quote(secret, safe="").encode()
        yield "URL path", quote(secret).encode()
        yield "form", quote_plus(secret).encode()
        yield "JSON", json.dumps(secret)[1:-1].encode()
        yield "escaped", secret.encode("ascii", "backslashreplace")


def base64_core(raw: bytes, before: int) -> bytes:
    """What of the secret's base64 is the same whatever stands around it, with `before` bytes in front (mod 3)."""
    encoded = base64.b64encode(b"\0" * before + raw + b"\0" * (-(before + len(raw)) % 3))
    start = (0, 2, 3)[before]
    end = len(encoded) - (0, 3, 2)[(before + len(raw)) % 3]
    return encoded[start : max(start, end)]


def find_all(secrets: Iterable[str | bytes], places: Mapping[str, bytes]) -> list[Find]:
    """Every find of every secret in every place."""
    stripped = {place: content.replace(b"\0", b"") for place, content in places.items()}
    found = []
    for secret in set(secrets):
        if len(secret) < SHORTEST:
            raise ValueError(f"too short to look for: {secret!r}")
        for form, needle in {needle: form for form, needle in forms_of(secret)}.items():
            found += [Find(str(secret), needle, place) for place in stripped if _holds(stripped[place], form)]
    return found


def _holds(content: bytes, needle: bytes) -> bool:
    """Whether it is there; eight digits within a longer hexadecimal number are chance, not a code."""
    if needle not in content:
        return False
    if not _DIGITS.fullmatch(needle):
        return True
    return re.search(rb"(?<![0-9A-Fa-f])" + needle + rb"(?![0-9A-Fa-f])", content) is not None
