"""An installation on PostgreSQL, prepared once and copied for each test; processes that start without their imports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.bench.ground import Ground
from tests.processes.town import ROOMS, Town, town
from tests.support.postgres import PostgresServer
from tests.support.prepared import prepare_on_postgres
from tests.support.warm_serving import Mother


@pytest.fixture(scope="session")
def prepared(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ground, tuple[str, str]]:
    return asyncio.run(prepare_on_postgres(postgres_server, tmp_path_factory.mktemp("processes") / "house", ROOMS))


@pytest.fixture
async def place(
    prepared: tuple[Ground, tuple[str, str]], tmp_path: Path, postgres_server: PostgresServer, mother: Mother
) -> AsyncIterator[Town]:
    async with town(prepared, tmp_path, postgres_server, mother) as it:
        yield it
