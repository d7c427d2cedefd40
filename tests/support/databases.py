"""A pair of databases for one test: the main one and the one that holds wrapped keys; empty, or copied with all tables.

Creating the tables anew for every test costs PostgreSQL half a second: they are made once a worker, then copied.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

import app.main  # noqa: F401 (every model)
from app.database import Base
from app.vault import KeyBase


class DatabaseUrls(NamedTuple):
    """SQLAlchemy URLs of two databases, `sqlite+aiosqlite:///…` or `postgresql+psycopg://…`."""

    main: str
    keys: str


def make_tables(urls: DatabaseUrls) -> None:
    """Every table and trigger of today's models, in two empty databases that nobody holds open afterwards."""
    for address, metadata in zip(urls, (Base.metadata, KeyBase.metadata), strict=True):
        url = make_url(address)
        driver = "sqlite" if url.get_backend_name() == "sqlite" else url.drivername
        with create_engine(url.set(drivername=driver), poolclass=NullPool).begin() as connection:
            metadata.create_all(connection)
