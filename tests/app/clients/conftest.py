"""`door`: the staff API of a house, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from security.jwts import SigningKey
from tests.app.clients.door import Door, open_door
from tests.support.house import House


@pytest.fixture
async def door(house: House, tmp_path: Path) -> AsyncIterator[Door]:
    """The API, and nobody registered."""
    async with open_door(house, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def crm() -> SigningKey:
    """The CRM's key."""
    return SigningKey.new()


@pytest.fixture(scope="session")
def thief() -> SigningKey:
    """A key that nobody knows."""
    return SigningKey.new()
