"""One bank a test, on both databases; `town` and `sky`: with servers of a network around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.binding.atproto_town import Sky, open_sky
from tests.app.binding.bank import Bank, open_bank
from tests.app.binding.mastodon_town import Town, open_town
from tests.support.databases import DatabaseUrls


@pytest.fixture
async def bank(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Bank]:
    async with open_bank(schema_urls, tmp_path) as opened:
        yield opened


@pytest.fixture
async def town(bank: Bank) -> AsyncIterator[Town]:
    async with open_town(bank) as opened:
        yield opened


@pytest.fixture
async def sky(bank: Bank) -> AsyncIterator[Sky]:
    async with open_sky(bank) as opened:
        yield opened
