"""One forgery: what an attacker presents, and the word by which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.binding.identity_provider import IdentityRefused
from app.oauth.errors import OAuthRefused
from app.outbound import OutboundError
from security.errors import SecurityError

REFUSALS: Final = (SecurityError, OAuthRefused, IdentityRefused, OutboundError, ValueError)


@dataclass(frozen=True)
class Forgery:
    """`present` hands the forgery to the real check, which must raise; `reason` is the word of that refusal.

    The word matters: a forgery that is refused by a neighbour of its check would not miss that check.
    """

    present: Callable[[], object]
    reason: str


def word(refused: Exception) -> str:
    """What a refusal says of itself: its reason, or for an error without one its name."""
    return str(getattr(refused, "reason", type(refused).__name__))
