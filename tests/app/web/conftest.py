"""`desk`: a staff door a test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.web.staff_desk import Desk, hash_once, opened_desk
from tests.support.databases import DatabaseUrls


@pytest.fixture
async def desk(schema_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    # One slow hash for five colleagues; every sign-in still checks against it.
    monkeypatch.setattr("security.passwords.hash_password", hash_once)
    async with opened_desk(schema_urls, tmp_path) as opened:
        yield opened
