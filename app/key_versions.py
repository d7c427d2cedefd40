"""Which key-encryption keys an installation holds, and how many data keys need each of them still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_engines, dispose
from app.key_files import KEK_FILE
from app.settings import Settings
from app.vault import WrappedKeyRow
from security.keys import WrappedKey


@dataclass(frozen=True)
class Version:
    """One key-encryption key, how many data keys need it still, and one of them."""

    number: int
    is_current: bool
    data_keys: int
    sample: tuple[UUID, WrappedKey] | None = None


async def versions(settings: Settings) -> Sequence[Version]:
    """All versions, oldest first, also those that only the key store knows: their data keys cannot be opened."""
    path = settings.keys / KEK_FILE
    document = json.loads(await asyncio.to_thread(path.read_text, "utf-8"))
    write, read = create_engines(settings.key_database)
    try:
        async with read.connect() as connection:
            columns = (WrappedKeyRow.kek_version, func.count())
            counted = await connection.execute(select(*columns).group_by(WrappedKeyRow.kek_version))
            used = {row[0]: row[1] for row in counted}
            samples = {number: await _sample(connection, number) for number in used}
    finally:
        await dispose(read, write)
    return [
        Version(number, number == document["current"], used.get(number, 0), samples.get(number))
        for number in sorted({*map(int, document["keys"]), *used})
    ]


async def _sample(connection: AsyncConnection, number: int) -> tuple[UUID, WrappedKey]:
    query = select(WrappedKeyRow.id, WrappedKeyRow.blob).where(WrappedKeyRow.kek_version == number).limit(1)
    row = (await connection.execute(query)).one()
    return row.id, WrappedKey(number, row.blob)
