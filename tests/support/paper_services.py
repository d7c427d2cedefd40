"""The services over a database in memory, for one act: a thousandth of a house's cost, and gone with it.

SQLite alone, without its disk: what depends on commits, locks and the other database is tried in a house.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from sqlalchemy import create_engine, event, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

import app.agents.models
import app.audit.models
import app.binding.models
import app.limits.models
import app.provisioning.models
import app.sessions.models
import app.sign_on.models  # noqa: F401 (the tables of what is tried on paper)
from app.database import Base
from app.outbound import OutboundClient
from app.services import Clock, Services
from app.vault import Vault
from security.envelope import Place, open_sealed
from security.keys import DataKey, keyed_hash, new_data_key

T = TypeVar("T")
KEY: Final = new_data_key(UUID(int=1))


class PaperVault:
    """One key for everything."""

    async def service_key(self, _name: str) -> DataKey:
        """See `Vault.service_key`."""
        return KEY

    async def lookup_hash(self, purpose: str, value: str) -> bytes:
        """See `Vault.lookup_hash`."""
        return keyed_hash(KEY.commitment, purpose, value.encode())

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """See `Vault.open`."""
        return open_sealed(KEY, place, sealed)


@cache
def empty_tables() -> bytes:
    """A database with every table and no row."""
    return filled([])


def filled(rows: list[Base]) -> bytes:
    """A database with these rows."""
    connection = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    if rows:
        connection.deserialize(empty_tables())
        _insert(engine, rows)
    else:
        Base.metadata.create_all(engine)
    return bytes(connection.serialize())


def _insert(engine: Any, rows: list[Base]) -> None:
    with engine.begin() as connection:
        for row in rows:
            values = {one.name: getattr(row, one.name) for one in type(row).__table__.columns}
            connection.execute(insert(type(row)).values(values))


def on_paper(act: Callable[[Services], Awaitable[T]], now: datetime | Clock, start: bytes | None = None) -> T:
    """What `act` gives, on services whose database begins as `start`. One after the other, not inside one another."""

    async def run() -> T:
        engine = _engine()
        _beginning[:] = [start or empty_tables()]
        clock = now if callable(now) else lambda: now
        try:
            return await act(Services(engine, engine, cast(Vault, PaperVault()), cast(OutboundClient, None), clock))
        finally:
            await engine.dispose()

    return asyncio.run(run())


_beginning: list[bytes] = []


@cache
def _engine() -> AsyncEngine:
    """One for all, with a new connection for each: what it has learned of statements is dear."""
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)

    @event.listens_for(engine.sync_engine, "connect")
    def _fill(connection: Any, _record: Any) -> None:
        connection.run_async(lambda raw: raw._execute(raw._conn.deserialize, _beginning[0]))

    return engine
