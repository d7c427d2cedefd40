"""Refusals of limits."""

from __future__ import annotations

from app.errors import Conflict, Invalid, TooMany


class KeyReused(Invalid):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used before with another request body."


class StillRunning(Conflict):
    """The first request with this key has not been answered yet."""

    code = "still_running"
    message = "The first request with this Idempotency-Key has not finished yet."


class Locked(TooMany):
    """Too many wrong guesses in a row."""

    code = "locked"
    message = "Too many wrong tries. Please wait, or use another way."
    keeps_changes = True
