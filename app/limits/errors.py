"""Refusals of limits."""

from __future__ import annotations

from collections.abc import Mapping

from app.errors import Conflict, Invalid, RiserboError, TooMany


class KeyReused(Invalid):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used before with another request body."


class StillRunning(Conflict):
    """The first request with this key has not been answered yet."""

    code = "still_running"
    message = "The first request with this Idempotency-Key has not finished yet."


class RefusedBefore(RiserboError):
    """The first request with this key was refused for good: the same refusal again, and nothing is counted twice."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, object]) -> None:
        super().__init__(message)
        self.status, self.code, self._details = status, code, dict(details)

    def details(self) -> dict[str, object]:
        """What the first refusal gave beside its sentence."""
        return self._details


class Locked(TooMany):
    """Too many wrong guesses in a row."""

    code = "locked"
    message = "Too many wrong tries. Please wait, or use another way."
    keeps_changes = True
