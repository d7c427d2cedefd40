"""The last room of a disk is kept: nothing more is begun on it, and reading goes on."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app import free_space
from app.conversations.queries import Window
from app.conversations.reading import read_as_staff
from app.free_space import LEAST_FREE, LOOK_EVERY, FreeSpace, StorageFull, require_space
from tests.support.house import ON_SQLITE, House


class Disk:
    """A disk whose free bytes the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 10 * LEAST_FREE
        self.looks = 0
        self.time = 100.0
        monkeypatch.setattr(free_space, "os", SimpleNamespace(statvfs=self._statvfs))

    def _statvfs(self, _folder: Path) -> Any:
        self.looks += 1
        return SimpleNamespace(f_bavail=self.free // 4096, f_frsize=4096)

    def watch(self, database: Path) -> FreeSpace:
        return FreeSpace(database, now=lambda: self.time)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_less_than_the_least_free_is_refused_until_there_is_room_again(disk: Disk, tmp_path: Path) -> None:
    watch = disk.watch(tmp_path / "main.db")
    watch.require()
    disk.free, disk.time = LEAST_FREE - 4096, disk.time + LOOK_EVERY
    with pytest.raises(StorageFull) as refused:
        watch.require()
    assert (refused.value.status, refused.value.code) == (507, "storage_full")
    assert refused.value.retry_after
    disk.free, disk.time = LEAST_FREE, disk.time + LOOK_EVERY
    watch.require()


def test_a_long_write_ahead_log_needs_twice_its_room(disk: Disk, tmp_path: Path) -> None:
    with (tmp_path / "main.db-wal").open("wb") as log:
        os.truncate(log.fileno(), 50 * 1024 * 1024)
    watch = disk.watch(tmp_path / "main.db")
    disk.free = 99 * 1024 * 1024
    with pytest.raises(StorageFull):
        watch.require()


def test_the_disk_is_asked_a_few_times_a_second_only(disk: Disk, tmp_path: Path) -> None:
    watch = disk.watch(tmp_path / "main.db")
    for _ in range(1000):
        watch.require()
    assert disk.looks == 1


def test_a_disk_that_cannot_be_asked_refuses_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    FreeSpace(tmp_path / "gone" / "main.db").require()


async def test_only_the_file_of_an_engine_is_watched(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0
    for url in ("sqlite+aiosqlite://", "postgresql+psycopg://riserbo@localhost/riserbo"):
        require_space(create_async_engine(url))
    with pytest.raises(StorageFull):
        require_space(create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'main.db'}"))


@ON_SQLITE
async def test_a_full_disk_refuses_messages_and_new_keys_and_reading_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await house.room()
    await house.say(room, "Prima")
    full = SimpleNamespace(statvfs=lambda _folder: SimpleNamespace(f_bavail=0, f_frsize=4096))
    monkeypatch.setattr(free_space, "os", full)
    monkeypatch.setattr(free_space, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(free_space, "_watches", {})
    with pytest.raises(StorageFull):
        await house.say(room, "Durante")
    with pytest.raises(StorageFull):
        await house.room()
    await house.log_round()
    page = await read_as_staff(house.services, house.anna, room.id, Window())
    assert [entry.text for entry in page.entries if entry.text] == ["Prima"]
