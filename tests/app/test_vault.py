"""Data keys: committed before use, unwrapped for minutes only, one per service whoever comes first, never printed."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import key_files, vault
from app.database import create_engines
from app.errors import Unavailable
from app.vault import KeyBase, KeyFile, Vault, WrappedKeyRow
from security.encoding import b64url
from security.envelope import Place, seal
from security.errors import DecryptionFailed
from security.keys import DataKey, WrappedKey
from tests.support.databases import DatabaseUrls
from tests.support.house import Clock

PLACE = Place("messages", "sealed_text", "1")


@dataclass
class Counting:
    """A key provider that counts, and may be told to stop."""

    file: KeyFile
    unwrapped: int = 0
    down: bool = False

    async def wrap(self, key: DataKey) -> WrappedKey:
        if self.down:
            raise ConnectionError
        return await self.file.wrap(key)

    async def unwrap(self, key_id: UUID, wrapped: WrappedKey) -> DataKey:
        self.unwrapped += 1
        return await self.file.unwrap(key_id, wrapped)

    async def current_version(self) -> int:
        return await self.file.current_version()


@dataclass
class Store:
    """A key store and as many processes on it as a test wants."""

    engine: AsyncEngine
    path: Path
    clock: Clock
    urls: DatabaseUrls
    providers: list[Counting] = field(default_factory=list)

    def process(self, engine: AsyncEngine | None = None) -> Vault:
        self.providers.append(Counting(KeyFile(self.path)))
        return Vault(self.providers[-1], engine or self.engine, self.clock)

    async def rows(self) -> dict[UUID, WrappedKeyRow]:
        async with self.engine.connect() as connection:
            return {row.id: row for row in await connection.execute(select(WrappedKeyRow.__table__))}  # type: ignore[misc]


@asynccontextmanager
async def opened(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Store]:
    engine, reader = create_engines(urls.keys)
    await reader.dispose()
    key_files.make_kek_file(folder / "kek.json")
    yield Store(engine, folder / "kek.json", Clock(), urls)
    await engine.dispose()


@pytest.fixture
async def store(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(schema_urls, tmp_path) as one:
        yield one


async def test_a_key_is_in_the_store_before_anything_can_be_sealed_with_it(store: Store) -> None:
    key = await store.process().create_key("room")
    sealed = seal(key, PLACE, b"Buongiorno")
    assert await store.process().open(PLACE, sealed) == b"Buongiorno"


async def test_a_key_that_cannot_be_stored_is_never_handed_out(store: Store) -> None:
    one = store.process()
    store.providers[0].down = True
    with pytest.raises(ConnectionError):
        await one.create_key("room")
    store.providers[0].down = False
    async with store.engine.begin() as connection:
        await connection.run_sync(KeyBase.metadata.drop_all)
    with pytest.raises(DBAPIError):
        await one.create_key("room")
    assert len(one._cache) == 0


async def test_the_store_holds_wrapped_keys_only(store: Store) -> None:
    key = await store.process().create_key("room")
    [row] = (await store.rows()).values()
    for secret in (key.encryption.reveal(), key.commitment.reveal()):
        assert secret not in row.blob
        assert secret.hex() not in str(tuple(row))


async def test_an_unwrapped_key_is_kept_for_five_minutes_and_not_longer(store: Store) -> None:
    writer, reader = store.process(), store.process()
    key = await writer.create_key("room")
    for _ in range(3):
        await reader.key(key.id)
    assert store.providers[1].unwrapped == 1
    store.clock.pass_by(minutes=4, seconds=59)
    await reader.key(key.id)
    assert store.providers[1].unwrapped == 1
    store.clock.pass_by(seconds=2)
    await reader.key(key.id)
    assert store.providers[1].unwrapped == 2


async def test_a_key_that_nobody_asks_for_again_is_dropped_all_the_same(store: Store) -> None:
    one = store.process()
    forgotten = await one.create_key("room")
    store.clock.pass_by(minutes=6)
    other = await one.create_key("room")
    await one.key(other.id)
    assert list(one._cache) == [other.id]
    store.clock.pass_by(minutes=6)
    one.forget_expired()
    assert len(one._cache) == 0
    assert (await one.key(forgotten.id)).id == forgotten.id


async def test_the_cache_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "CACHE_SIZE", 3)
    one = store.process()
    keys = [await one.create_key("room") for _ in range(5)]
    assert list(one._cache) == [key.id for key in keys[-3:]]
    assert (await one.key(keys[0].id)).id == keys[0].id


async def test_a_destroyed_key_opens_nothing_once_the_minutes_are_over(store: Store) -> None:
    one, other = store.process(), store.process()
    key = await one.create_key("room")
    sealed = seal(key, PLACE, b"Buongiorno")
    await one.sweep([key.id])
    for process in (one, other):
        with pytest.raises(Unavailable, match="gone"):
            await process.open(PLACE, sealed)


async def test_two_processes_that_want_the_same_service_key_first_get_the_same_one(store: Store) -> None:
    engines = [create_engines(store.urls.keys)[0] for _ in range(2)]
    vaults = [store.process(engine) for engine in engines] * 4
    try:
        keys = await asyncio.gather(*(one.service_key("lookup") for one in vaults))
    finally:
        for engine in engines:
            await engine.dispose()
    assert len({key.id for key in keys}) == 1
    assert len({key.commitment.reveal() for key in keys}) == 1
    assert len(await store.rows()) == 1


async def test_hashes_are_the_same_in_every_process_and_differ_by_purpose_and_store(store: Store) -> None:
    one, other = store.process(), store.process()
    first = await one.lookup_hash("phone", "+393331234567")
    assert await other.lookup_hash("phone", "+393331234567") == first
    assert await other.lookup_hash("customer", "+393331234567") != first
    assert (await one.pepper()).reveal() == (await other.pepper()).reveal()
    async with store.engine.begin() as connection:
        await connection.execute(delete(WrappedKeyRow))
    assert await store.process().lookup_hash("phone", "+393331234567") != first


async def test_keys_are_wrapped_anew_while_others_read_and_write(store: Store) -> None:
    one, other = store.process(), store.process()
    keys = [await one.create_key("room") for _ in range(8)]
    sealed = [seal(key, PLACE, str(number).encode()) for number, key in enumerate(keys)]
    assert key_files.add_kek_version(store.path) == 2

    async def serve() -> list[bytes]:
        opened = []
        for text in sealed:
            other._cache.clear()
            opened.append(await other.open(PLACE, text))
            await other.create_key("room")
        return opened

    count, opened, again = await asyncio.gather(one.rewrap(), serve(), one.rewrap())
    assert opened == [str(number).encode() for number in range(8)]
    assert count == 8
    assert again <= 8
    assert {row.kek_version for row in (await store.rows()).values()} == {2}
    assert await one.rewrap() == 0
    document = json.loads(store.path.read_text())
    del document["keys"]["1"]
    store.path.write_text(json.dumps(document))
    assert await store.process().open(PLACE, sealed[0]) == b"0"


async def test_a_wrapped_key_moved_to_another_id_or_changed_opens_nothing(store: Store) -> None:
    one = store.process()
    first, second = await one.create_key("room"), await one.create_key("room")
    blob = (await store.rows())[first.id].blob
    for changed in (blob, blob[:-1] + bytes([blob[-1] ^ 1])):
        async with store.engine.begin() as connection:
            await connection.execute(update(WrappedKeyRow).where(WrappedKeyRow.id == second.id).values(blob=changed))
        with pytest.raises(DecryptionFailed):
            await store.process().key(second.id)


async def test_only_old_keys_of_cases_and_rooms_are_candidates_for_the_sweep(store: Store) -> None:
    one = store.process()
    old = await one.create_key("room")
    await one.service_key("lookup")
    store.clock.pass_by(hours=2)
    young = await one.create_key("room")
    assert await one.unattached_since(store.clock() - timedelta(hours=1)) == [old.id]
    await one.sweep([old.id])
    async with store.engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(WrappedKeyRow))).scalar_one() == 2
    assert (await store.process().key(young.id)).id == young.id


async def test_nothing_that_holds_a_key_prints_it(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    one = store.process()
    key = await one.create_key("room")
    word = "".join(("Buon", "giorno"))
    sealed = seal(key, PLACE, word.encode())
    kek = KeyFile(store.path)
    ring = kek.ring()
    secret = json.loads(store.path.read_text())["keys"]["1"]
    shown = [
        repr(one),
        str(one),
        repr(key),
        repr(kek),
        repr(ring),
        repr(one._cache),
        str(one.__dict__),
        repr(kek.__dict__),
    ]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").error("%s %r", one, key)
        try:
            await one.open(Place("other", "column", "1"), sealed)
        except DecryptionFailed:
            shown.append(traceback.format_exc())
    text = " ".join(shown) + caplog.text
    assert "DecryptionFailed" in text
    hidden = [key.encryption.reveal(), key.commitment.reveal()]
    assert not [one for one in hidden if one.hex() in text or b64url(one) in text or repr(one)[2:-1] in text]
    assert secret not in text
    assert word not in text
