"""Questions to identity providers and their answers, as the binding makes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from app.binding.identity_provider import IdentityAnswer, IdentityWish
from app.permissions import Level

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_wish(
    redirect_uri: str,
    state: str,
    nonce: str,
    challenge: str,
    *,
    purpose: str = "entry",
    level: Level = Level.L0,
    now: datetime = NOON,
    memo: Mapping[str, str] | None = None,
) -> IdentityWish:
    """A redirect that is about to begin."""
    return IdentityWish(state, nonce, redirect_uri, challenge, purpose, level, now, memo or {})


def an_answer(
    code: str,
    redirect_uri: str,
    nonce: str,
    verifier: str = "v",
    *,
    issuer: str | None = None,
    now: datetime = NOON,
    begun_at: datetime | None = None,
    memo: Mapping[str, str] | None = None,
) -> IdentityAnswer:
    """A callback that has come."""
    return IdentityAnswer(code, verifier, redirect_uri, nonce, issuer, begun_at or now, now, memo or {})
