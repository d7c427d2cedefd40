"""The published keys of an authorization server: fetched by the outbound client, kept, asked for anew sparingly.

A token that names an unknown key may make us ask again, but anybody can write such a token: never more often than once
in half a minute. While the server is away its last keys serve on, for a day at most.
"""

from __future__ import annotations

import asyncio
from typing import Final

from app.outbound import OutboundClient, OutboundError, OutboundFailed
from security.errors import TokenRefused
from security.jwts import VerificationKeys

KEPT_FOR: Final = 600.0
AT_MOST_EVERY: Final = 30.0
STALE_AFTER: Final = 86_400.0


class PublishedKeys:
    """The key set at one address; times are the event loop's, so that no clock that is set plays a part."""

    def __init__(self, outbound: OutboundClient, url: str) -> None:
        self._outbound = outbound
        self._url = url
        self._keys: VerificationKeys | None = None
        self._fetched = -STALE_AFTER
        self._tried = -STALE_AFTER
        self._asking = asyncio.Lock()

    async def verification_keys(self, *, fresh: bool = False) -> VerificationKeys:
        """The keys; raises `OutboundError` where there are none that may still be used."""
        now = asyncio.get_running_loop().time()
        wanted = KEPT_FOR if not fresh else 0.0
        if now - self._fetched >= wanted:
            async with self._asking:
                await self._ask(wanted)
        if self._keys is None or asyncio.get_running_loop().time() - self._fetched > STALE_AFTER:
            raise OutboundFailed("no_keys")
        return self._keys

    async def _ask(self, wanted: float) -> None:
        """Whoever waited here finds that somebody has just asked."""
        now = asyncio.get_running_loop().time()
        if now - self._tried < AT_MOST_EVERY or now - self._fetched < wanted:
            return
        self._tried = now
        try:
            answer = await self._outbound.request("GET", self._url, headers={"accept": "application/json"})
            if answer.status == 200:
                self._keys, self._fetched = VerificationKeys.of_jwks(answer.json()), now
        except (OutboundError, TokenRefused):
            return
