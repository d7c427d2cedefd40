"""One bank a test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.binding.bank import Bank, open_bank
from tests.support.databases import DatabaseUrls


@pytest.fixture
async def bank(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_bank(schema_urls, tmp_path) as opened:
        yield opened
