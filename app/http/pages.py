"""Cursor pages: an opaque cursor in, an opaque cursor and a Link header (RFC 8288) out."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from app.errors import BadRequest
from security.encoding import b64url, unb64url
from security.errors import EncodingError


def encode_cursor(at: datetime, row_id: UUID) -> str:
    """The place behind a row ordered by (time, id)."""
    return b64url(f"{at.astimezone(UTC).isoformat()}|{row_id}".encode())


def decode_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The place that a cursor names; raises `BadRequest` for one that we did not make."""
    if cursor is None:
        return None
    try:
        moment, _, row_id = unb64url(cursor).decode().partition("|")
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise ValueError
        return at, UUID(row_id)
    except (EncodingError, ValueError):
        raise BadRequest("This page cursor is not one of ours.") from None
