"""`house`: a whole house a test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import House, blueprint, open_house
from tests.support.postgres import PostgresServer


@pytest.fixture
async def house(
    database_kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    """Services, staff and an empty desk."""
    server: PostgresServer | None = None
    if database_kind == "postgresql":
        server = request.getfixturevalue("postgres_server")
    plan = await blueprint(database_kind, tmp_path_factory.mktemp("blueprint"), server)
    async with open_house(plan, tmp_path, server) as opened:
        yield opened
