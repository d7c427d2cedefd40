"""`client`: a provisioning client of a house, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.app.provisioning.client import Client, open_client
from tests.support.house import House


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """Nobody has joined yet."""
    async with open_client(house) as opened:
        yield opened
