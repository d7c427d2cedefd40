"""What can go wrong at a server that could be reached. One that cannot is an `OutboundError`."""

from __future__ import annotations


class OAuthRefused(Exception):
    """The server said no, or what it said cannot be believed. `reason` is a word of ours, never text from outside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
