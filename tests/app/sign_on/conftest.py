"""`desk`: a console with the bank's own sign-in, on both databases, at a real provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.app.sign_on.desk import Desk, open_desk
from tests.support.house import House
from tests.support.openid import OpenIdTown


@pytest.fixture
async def desk(house: House, openid: OpenIdTown) -> AsyncIterator[Desk]:
    """Nobody has an account of it yet."""
    async with open_desk(house, openid) as opened:
        yield opened
