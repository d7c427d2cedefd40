"""Identifiers: UUIDv7 (RFC 9562 section 5.7), so that rows sort by the time they were made."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> UUID:
    """A UUIDv7 whose first 48 bits are `now` in milliseconds and whose other 74 free bits are random."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def made_at(value: UUID) -> int:
    """When a UUIDv7 was made, in milliseconds since 1970."""
    return value.int >> 80
