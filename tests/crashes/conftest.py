"""A prepared installation of each kind, copied for each test; a PostgreSQL that is there to be crashed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.crashes.rig import Prepared, prepared_on_postgres, prepared_on_sqlite
from tests.support.postgres import DurablePostgres, crashing_postgres
from tests.support.warm_serving import Mother


@pytest.fixture(scope="session")
def postgres() -> Iterator[DurablePostgres]:
    """fsync, full_page_writes and synchronous_commit on; every test leaves it running."""
    with crashing_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def on_sqlite(mother: Mother, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return asyncio.run(prepared_on_sqlite(mother, tmp_path_factory.mktemp("sqlite") / "house"))


@pytest.fixture(scope="session")
def on_postgres(mother: Mother, tmp_path_factory: pytest.TempPathFactory, postgres: DurablePostgres) -> Prepared:
    return asyncio.run(prepared_on_postgres(mother, tmp_path_factory.mktemp("postgresql") / "house", postgres))


@pytest.fixture
def prepared(database_kind: str, request: pytest.FixtureRequest) -> Prepared:
    """One of the two, by the kind of database that the test is run on."""
    found: Prepared = request.getfixturevalue("on_sqlite" if database_kind == "sqlite" else "on_postgres")
    return found
