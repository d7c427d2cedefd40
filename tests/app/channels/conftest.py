"""`town`: two federating servers a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.app.channels.mastodon_town import Town
from tests.support.mastodon import fediverse


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with fediverse("banca.localhost", "social.localhost") as world:
        yield Town(world, datetime(2026, 11, 21, 19, tzinfo=UTC))
