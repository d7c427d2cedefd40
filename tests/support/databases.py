"""A pair of databases for one test: the main one and the one that holds wrapped keys."""

from __future__ import annotations

from typing import NamedTuple


class DatabaseUrls(NamedTuple):
    """SQLAlchemy URLs of two empty databases, `sqlite+aiosqlite:///…` or `postgresql+psycopg://…`."""

    main: str
    keys: str
