"""Data keys: made, wrapped by a key-encryption key, kept in a database of their own, cached for minutes only.

A key is committed to the key store before anything is sealed with it, so no ciphertext can outlive a lost key by
accident; a key that nothing refers to is an orphan and is swept (design, decision 7).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import LargeBinary, MetaData, Text, Uuid, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.errors import Unavailable
from app.free_space import require_space
from app.ids import new_id
from security.encoding import unb64url
from security.envelope import Place, key_id_of, open_sealed, seal
from security.keys import DataKey, KeyRing, WrappedKey, keyed_hash, new_data_key
from security.secret import Secret

CACHE_FOR: Final = timedelta(minutes=5)
CACHE_SIZE: Final = 10_000


class KeyBase(DeclarativeBase):
    """Base of the key store's tables: another database, so that a copy of one is useless without the other."""

    metadata = MetaData()


class WrappedKeyRow(KeyBase):
    """One data key, wrapped. `name` is set for service keys only; `purpose` says what the key seals."""

    __tablename__ = "wrapped_keys"
    __table_args__: Any = {"sqlite_strict": True}

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    name: Mapped[str | None] = mapped_column(Text(), unique=True)
    purpose: Mapped[str] = mapped_column(Text())
    kek_version: Mapped[int]
    blob: Mapped[bytes] = mapped_column(LargeBinary())
    created_at: Mapped[str] = mapped_column(Text())


class KeyProvider(Protocol):
    """Whoever holds the key-encryption keys: a file, an HSM, a cloud key service."""

    async def wrap(self, key: DataKey) -> WrappedKey:
        """Wrap under the current version."""
        ...

    async def unwrap(self, key_id: UUID, wrapped: WrappedKey) -> DataKey:
        """Unwrap under the version named; raises `security.errors.DecryptionFailed`."""
        ...

    async def current_version(self) -> int:
        """The version that `wrap` uses now."""
        ...


class KeyFile:
    """Key-encryption keys in a file of mode 0600: `{"current": 2, "keys": {"1": "<base64url>", "2": …}}`.

    Read anew when the file changes, so that `riserbo keys rotate` needs no restart.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._ring: KeyRing | None = None

    def ring(self) -> KeyRing:
        """The ring as the file holds it now."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._ring is None or stamp != self._seen:
            document = json.loads(self._path.read_text("utf-8"))
            versions = {int(version): Secret(unb64url(text)) for version, text in document["keys"].items()}
            self._ring, self._seen = KeyRing(versions, int(document["current"])), stamp
        return self._ring

    async def wrap(self, key: DataKey) -> WrappedKey:
        """See `KeyProvider`."""
        return self.ring().wrap(key)

    async def unwrap(self, key_id: UUID, wrapped: WrappedKey) -> DataKey:
        """See `KeyProvider`."""
        return self.ring().unwrap(key_id, wrapped)

    async def current_version(self) -> int:
        """See `KeyProvider`."""
        return self.ring().current


@dataclass(frozen=True)
class _Cached:
    key: DataKey
    until: datetime


def _is_good(cached: _Cached, now: datetime) -> bool:
    # further ahead than it was ever put, it is of a clock that was set back since
    return now < cached.until <= now + CACHE_FOR


class Vault:
    """Opens and seals with data keys; holds each unwrapped key for at most five minutes."""

    def __init__(self, provider: KeyProvider, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._engine = engine
        self._clock = clock
        self._cache: OrderedDict[UUID, _Cached] = OrderedDict()
        self._names: dict[str, UUID] = {}

    def __repr__(self) -> str:
        return "<Vault>"

    async def create_key(self, purpose: str, *, name: str | None = None) -> DataKey:
        """A new data key, committed to the key store before it is returned; `StorageFull` where its disk is."""
        require_space(self._engine)
        key = new_data_key(new_id(self._clock()))
        wrapped = await self._provider.wrap(key)
        async with self._engine.begin() as connection:
            await connection.execute(
                WrappedKeyRow.__table__.insert().values(  # type: ignore[attr-defined]
                    id=key.id,
                    name=name,
                    purpose=purpose,
                    kek_version=wrapped.version,
                    blob=wrapped.blob,
                    created_at=self._clock().isoformat(),
                )
            )
        self._remember(key)
        return key

    async def key(self, key_id: UUID) -> DataKey:
        """The data key of this id, from the cache or unwrapped now; `Unavailable` when it is gone."""
        now = self._clock()
        self._forget_expired(now)
        cached = self._cache.get(key_id)
        if cached is not None and _is_good(cached, now):
            return cached.key
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(
                    select(WrappedKeyRow.kek_version, WrappedKeyRow.blob).where(WrappedKeyRow.id == key_id)
                )
            ).one_or_none()
        if row is None:
            self._cache.pop(key_id, None)
            raise Unavailable("The key that opens this is gone.")
        key = await self._provider.unwrap(key_id, WrappedKey(row.kek_version, row.blob))
        self._remember(key)
        return key

    def forget_expired(self) -> None:
        """Drop the keys whose minutes are over, used or not; the oldest stand in front."""
        self._forget_expired(self._clock())

    def _forget_expired(self, now: datetime) -> None:
        while self._cache:
            oldest = next(iter(self._cache))
            if _is_good(self._cache[oldest], now):
                return
            del self._cache[oldest]

    async def service_key(self, name: str) -> DataKey:
        """The one key that serves a purpose of the service itself; made on first use, whoever comes first."""
        if name not in self._names:
            found = await self._service_key_id(name)
            if found is None:
                try:
                    found = (await self.create_key("service", name=name)).id
                except IntegrityError:
                    found = await self._service_key_id(name)
            if found is None:
                # A unique name that is neither free nor taken: whoever took it has been undone since.
                raise Unavailable
            self._names[name] = found
        return await self.key(self._names[name])

    async def lookup_hash(self, purpose: str, value: str) -> bytes:
        """Keyed hash for exact match (`handle`, `customer`, `phone`, …); useless without the key store."""
        key = await self.service_key("lookup")
        return keyed_hash(key.commitment, purpose, value.encode())

    async def pepper(self) -> Secret:
        """The secret that one-time codes are hashed under."""
        return (await self.service_key("codes")).commitment

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """Open a value under the key that its envelope names."""
        return open_sealed(await self.key(key_id_of(sealed)), place, sealed)

    async def open_text(self, place: Place, sealed: bytes) -> str:
        """`open`, as UTF-8."""
        return (await self.open(place, sealed)).decode()

    async def seal_for_service(self, name: str, place: Place, plaintext: bytes) -> bytes:
        """Seal under a service key."""
        return seal(await self.service_key(name), place, plaintext)

    async def rewrap(self) -> int:
        """Wrap every key anew that is not under the current version; returns how many. Safe while serving."""
        current = await self._provider.current_version()
        async with self._engine.connect() as connection:
            stale = (
                await connection.execute(
                    select(WrappedKeyRow.id, WrappedKeyRow.kek_version, WrappedKeyRow.blob).where(
                        WrappedKeyRow.kek_version != current
                    )
                )
            ).all()
        for row in stale:
            key = await self._provider.unwrap(row.id, WrappedKey(row.kek_version, row.blob))
            wrapped = await self._provider.wrap(key)
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(WrappedKeyRow)
                    .where(WrappedKeyRow.id == row.id, WrappedKeyRow.kek_version == row.kek_version)
                    .values(kek_version=wrapped.version, blob=wrapped.blob)
                )
        return len(stale)

    async def unattached_since(self, moment: datetime) -> list[UUID]:
        """Ids of case and room keys made before `moment`; the caller knows which of them are in use."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(WrappedKeyRow.id).where(
                    WrappedKeyRow.name.is_(None), WrappedKeyRow.created_at < moment.isoformat()
                )
            )
        return list(rows.scalars())

    async def sweep(self, orphans: Collection[UUID]) -> None:
        """Destroy wrapped keys that nothing refers to."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(WrappedKeyRow).where(WrappedKeyRow.id.in_(orphans)))
        for orphan in orphans:
            self._cache.pop(orphan, None)

    async def _service_key_id(self, name: str) -> UUID | None:
        async with self._engine.connect() as connection:
            found: UUID | None = (
                await connection.execute(select(WrappedKeyRow.id).where(WrappedKeyRow.name == name))
            ).scalar_one_or_none()
        return found

    def _remember(self, key: DataKey) -> None:
        self._cache[key.id] = _Cached(key, self._clock() + CACHE_FOR)
        self._cache.move_to_end(key.id)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
