"""Settings over two empty databases, and a third one to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.support.databases import DatabaseUrls
from tests.support.postgres import PostgresServer


def settings_for(folder: Path, urls: tuple[str, str], **more: Any) -> Settings:
    return Settings(
        data=folder,
        bank="Banca Esempio",
        origin="bank.example/log",
        public_url="https://bank.example",
        staff_url="https://staff.bank.example",
        phone="+39 02 000000",
        hours_it="lun-ven",
        hours_en="Mon-Fri",
        privacy_contact="privacy@bank.example",
        database_url=urls[0],
        key_database_url=urls[1],
        **more,
    )


@pytest.fixture
def settings(database_urls: DatabaseUrls, tmp_path: Path) -> Settings:
    return settings_for(tmp_path, database_urls)


@pytest.fixture
def fresh_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """One more empty database."""
    if database_kind == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fresh.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)
