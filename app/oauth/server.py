"""One issuer: its metadata and keys, remembered for an hour, asked for again at most once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from app.oauth.errors import OAuthRefused
from app.oauth.metadata import ServerMetadata, read_metadata
from app.outbound import OutboundClient, OutboundFailed, OutboundResponse
from security.errors import TokenRefused, UnknownSigner
from security.jwts import VerificationKeys

T = TypeVar("T")

REMEMBERED: Final = timedelta(hours=1)
BETWEEN_REFRESHES: Final = timedelta(minutes=1)
WELL_KNOWN: Final = "/.well-known/openid-configuration"
Reader = Callable[[object, str], ServerMetadata]
"""Reads the document of an issuer; raises `OAuthRefused` for one that cannot be used."""


class AuthorizationServer:
    """What one issuer publishes. A stranger's token with a made-up key id costs the issuer one request a minute."""

    def __init__(
        self, issuer: str, outbound: OutboundClient, *, well_known: str = WELL_KNOWN, read: Reader = read_metadata
    ) -> None:
        self.issuer: Final = issuer
        self.outbound: Final = outbound
        self._well_known: Final = well_known
        self._reader: Final = read
        self._metadata: tuple[datetime, ServerMetadata] | None = None
        self._keys: tuple[datetime, VerificationKeys] | None = None
        self._asking = asyncio.Lock()

    async def describe(self, now: datetime) -> ServerMetadata:
        """The metadata; raises `OAuthRefused`, or `OutboundError` when the server cannot be reached."""
        async with self._asking:
            if self._metadata is None or now >= self._metadata[0] + REMEMBERED:
                document = await self._read(self.issuer.rstrip("/") + self._well_known)
                self._metadata = now, self._reader(document, self.issuer)
            return self._metadata[1]

    async def checked(self, check: Callable[[VerificationKeys], T], now: datetime) -> T:
        """`check` with the issuer's keys, and once more with fresh ones if they lacked the signer's."""
        keys, asked_at = await self._published(now)
        try:
            return check(keys)
        except UnknownSigner:
            fresh, _ = await self._published(now, newer_than=asked_at)
            if fresh is keys:
                raise
            return check(fresh)

    async def _published(
        self, now: datetime, *, newer_than: datetime | None = None
    ) -> tuple[VerificationKeys, datetime]:
        metadata = await self.describe(now)
        async with self._asking:
            if self._keys is None or self._must_ask(self._keys[0], now, newer_than):
                document = await self._read(metadata.jwks)
                try:
                    self._keys = now, VerificationKeys.of_jwks(document)
                except TokenRefused:
                    raise OAuthRefused("keys") from None
            return self._keys[1], self._keys[0]

    def _must_ask(self, asked_at: datetime, now: datetime, newer_than: datetime | None) -> bool:
        if now >= asked_at + REMEMBERED:
            return True
        return newer_than is not None and asked_at <= newer_than and now >= asked_at + BETWEEN_REFRESHES

    async def _read(self, url: str) -> Any:
        answer = believable(await self.outbound.request("GET", url, headers={"accept": "application/json"}))
        if answer.status != 200:
            raise OAuthRefused("metadata_missing")
        return answer.json()


def believable(answer: OutboundResponse) -> OutboundResponse:
    """The answer, unless the server only says that it cannot answer now: that is nobody's refusal."""
    if answer.status == 429 or answer.status >= 500:
        raise OutboundFailed(f"answered {answer.status}")
    return answer
