"""A module of attacks shares one town: building it is most of the time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attacks.town import Town, open_town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Served on SQLite, Giulia and Mallory in their rooms at L2."""
    async with open_town(tmp_path_factory.mktemp("town")) as opened:
        yield opened
