"""One forgery: what an attacker presents, and the word by which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.binding.identity_provider import IdentityRefused
from app.channels.ports import ChannelError
from app.errors import RiserboError
from app.oauth.errors import OAuthRefused
from security.errors import SecurityError


class Fruitless(Exception):
    """What was presented changed nothing that it was meant to change: `reason` says what stayed as it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REFUSALS: Final = (SecurityError, OAuthRefused, IdentityRefused, ChannelError, RiserboError, ValueError, Fruitless)


@dataclass(frozen=True)
class Forgery:
    """`present` hands the forgery to the real check, which must raise; `reason` is the word of that refusal.

    The word matters: a forgery that is refused by a neighbour of its check would not miss that check.
    """

    present: Callable[[], object]
    reason: str


def word(refused: Exception) -> str:
    """What a refusal says of itself: its reason or code, or for an error without one its name."""
    return str(getattr(refused, "reason", getattr(refused, "code", type(refused).__name__)))
