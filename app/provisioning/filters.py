"""The filters that clients look an account up by (RFC 7644 section 3.4.2.2): one attribute, `eq`, a text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from app.provisioning.errors import ScimRefused

LONGEST: Final = 1000
LARGEST_PAGE: Final = 200
_EQUALS: Final = re.compile(
    r'\s*(?:urn:ietf:params:scim:schemas:core:2\.0:user:)?(username|externalid|id)\s+eq\s+("(?:[^"\\]|\\.)*")\s*',
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Wanted:
    """Which accounts: `attribute` is "" for all; `start` counts from 1."""

    attribute: str
    value: str
    start: int
    count: int


def read_wanted(text: str | None, start: str | None, count: str | None) -> Wanted:
    """What the query asks for; raises `ScimRefused`. Numbers out of range are moved into it, as the RFC says."""
    attribute, value = _read_filter(text) if text is not None else ("", "")
    first, most = _number(start, 1), _number(count, LARGEST_PAGE)
    return Wanted(attribute, value, max(first, 1), min(max(most, 0), LARGEST_PAGE))


def _read_filter(text: str) -> tuple[str, str]:
    found = _EQUALS.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise ScimRefused(kind="invalidFilter")
    try:
        value = json.loads(found.group(2), strict=True)
        value.encode()
    except ValueError:
        raise ScimRefused(kind="invalidFilter") from None
    if "\0" in value:
        raise ScimRefused(kind="invalidFilter")
    return found.group(1).lower(), value


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ScimRefused(kind="invalidValue")
    return int(text)
