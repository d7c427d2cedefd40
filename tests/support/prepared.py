"""Installations that nobody serves: prepared once with their databases on a server, and copied for each test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.bench.ground import Ground, prepare
from tests.support.postgres import PostgresServer


async def prepare_on_postgres(server: PostgresServer, folder: Path, rooms: int) -> tuple[Ground, tuple[str, str]]:
    """The ground, and the names of its two databases, from which others are made."""
    names = server.new_database(), server.new_database()
    main, keys = map(server.url, names)
    return await prepare(folder, rooms, database_url=main, key_database_url=keys), names


def moved_to(ground: Ground, folder: Path, urls: Sequence[str] = ()) -> Ground:
    """The ground of a copy in this folder, whose databases are there too or at these two URLs."""
    names = ("RISERBO_DATABASE_URL", "RISERBO_KEY_DATABASE_URL")
    return replace(ground, folder=str(folder), environment=ground.environment | dict(zip(names, urls, strict=False)))
