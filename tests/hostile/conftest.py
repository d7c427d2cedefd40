"""One served installation for all attacks, and good clients in it from beginning to end."""

from __future__ import annotations

import asyncio
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.ground import Ground, prepare
from tests.hostile.arena import Arena, Watch

ROOMS = 60


@pytest.fixture(scope="module")
def hostile_folder() -> Iterator[Path]:
    """In memory where that can be had: how fast a disk syncs is not what the attacks are about."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="riserbo-hostile-", dir=memory if memory.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def hostile_ground(hostile_folder: Path) -> Ground:
    """Rooms with their customers, on SQLite."""
    return asyncio.run(prepare(hostile_folder / "bank", ROOMS))


@pytest.fixture(scope="module")
def arena(hostile_ground: Ground, hostile_folder: Path) -> Iterator[Arena]:
    """Served, with the limits that are the default; not longer than these tests: its good clients never rest."""
    with more_files():
        arena = Arena(hostile_ground, hostile_folder)
        with arena.opened():
            yield arena


@pytest.fixture(scope="module")
def good(arena: Arena) -> Watch:
    """The good clients, known to the service by now."""
    watch = arena.watch
    watch.seconds(6)
    return watch


class more_files:  # noqa: N801 (used like a function)
    """As many open files as the machine allows, also for the server, which inherits it."""

    def __enter__(self) -> None:
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._hard, self._hard))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._soft, self._hard))
