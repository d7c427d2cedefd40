"""Lists by which issuers say what they have withdrawn (Token Status List): one number for each credential.

A list counts only for the address that it was fetched from, signed by the issuer whose credential refers to it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from security.encoding import unb64url
from security.errors import EncodingError, TokenRefused
from security.jwts import check_header, check_signature, check_times, parse
from security.sd_jwt import SIGNED_BY, TrustedIssuer

TYP: Final = "statuslist+jwt"
VALID: Final = 0
LARGEST_TOKEN: Final = 64 * 1024
LARGEST_LIST: Final = 2 * 1024 * 1024
"""Bytes after decompression; a small text could become a very large one."""
LONGEST_URI: Final = 500
_BITS: Final = (1, 2, 4, 8)


@dataclass(frozen=True)
class Reference:
    """Where a credential's number stands."""

    uri: str
    index: int


@dataclass(frozen=True)
class StatusList:
    """The numbers, `bits` each, the first one in the lowest bits of the first byte."""

    bits: int
    data: bytes = field(repr=False)

    def at(self, index: int) -> int:
        """The number of one credential: 0 is valid. Raises `TokenRefused` for one that the list does not have."""
        place, shift = divmod(index * self.bits, 8)
        if place >= len(self.data):
            raise TokenRefused("status_index")
        return self.data[place] >> shift & ((1 << self.bits) - 1)


def read_reference(status: object) -> Reference:
    """The reference in a credential's `status` claim; raises `TokenRefused` for any other way of telling."""
    found = status.get("status_list") if isinstance(status, dict) else None
    named: Mapping[str, Any] = found if isinstance(found, dict) else {}
    index, uri = named.get("idx"), named.get("uri")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise TokenRefused("status")
    if not isinstance(uri, str) or len(uri) > LONGEST_URI:
        raise TokenRefused("status")
    return Reference(uri, index)


def verify_status_list(text: str, uri: str, issuer: TrustedIssuer, now: datetime) -> StatusList:
    """The list that was fetched from `uri`; raises `TokenRefused`."""
    parsed = parse(text, brings_chain=True, largest=LARGEST_TOKEN)
    check_header(parsed, (TYP,), SIGNED_BY)
    check_signature(parsed, issuer.key_for(parsed, now))
    check_times(parsed.claims, now)
    if parsed.claims.get("sub") != uri:
        raise TokenRefused("subject")
    listed = parsed.claims.get("status_list")
    if not isinstance(listed, dict) or listed.get("bits") not in _BITS:
        raise TokenRefused("status_list")
    return StatusList(listed["bits"], _inflated(listed.get("lst")))


def _inflated(text: object) -> bytes:
    if not isinstance(text, str):
        raise TokenRefused("status_list")
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(unb64url(text), LARGEST_LIST)
    except (EncodingError, zlib.error):
        raise TokenRefused("status_list") from None
    if not inflate.eof:
        # cut short, or longer than any list that we read
        raise TokenRefused("status_list")
    return data
