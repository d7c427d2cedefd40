"""One archive a test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.compliance.archive import Archive, open_archive
from tests.support.databases import DatabaseUrls


@pytest.fixture
async def archive(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Archive]:
    async with open_archive(schema_urls, tmp_path) as opened:
        yield opened
