"""Refusals of registered programs."""

from __future__ import annotations

from app.errors import Conflict, Invalid


class ClientTaken(Conflict):
    """There is, or was, a program of this name."""

    code = "client_taken"
    message = "There is already a program with this name, or there was one."


class ClientUnfit(Invalid):
    """A name, scope or key that cannot be registered."""

    code = "client_unfit"
    message = "This program cannot be registered like this."


class TokenNotIssued(Exception):
    """The token endpoint's refusal: one of OAuth's own words and nothing else (RFC 6749 section 5.2)."""

    def __init__(self, error: str, status: int = 400, nonce: str = "") -> None:
        super().__init__(error)
        self.error, self.status, self.nonce = error, status, nonce
