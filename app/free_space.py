"""Refuses new work while the disk under a SQLite database is nearly full: the log could not be checkpointed any more.

A full disk loses nothing, but what is freed afterwards then buys a few writes only (measured; docs/faults.md). So the
last room is kept for what must go on: the leaves of reading, the log, deliveries, sweeps. Refused are messages and new
keys, that is cases, rooms and exports. PostgreSQL's disk is its own server's to watch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Unavailable

LEAST_FREE: Final = 64 * 1024 * 1024
LOOK_EVERY: Final = 0.25


class StorageFull(Unavailable):
    """The disk is full, or so nearly full that nothing more is begun."""

    status = 507
    code = "storage_full"
    message = "There is no room left for new entries. Nothing was stored; reading goes on. Please try again shortly."

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class FreeSpace:
    """How much room is left beside one database file; looked up at most every `LOOK_EVERY` seconds."""

    def __init__(self, database: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._folder = database.parent
        self._log = database.with_name(f"{database.name}-wal")
        self._now = now
        self._until = float("-inf")
        self._enough = True

    def require(self) -> None:
        """Raise `StorageFull` while less is free than 64 MiB, or than twice what waits in the write-ahead log."""
        if self._now() >= self._until:
            self._enough = self._look()
            self._until = self._now() + LOOK_EVERY
        if not self._enough:
            raise StorageFull

    def _look(self) -> bool:
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            # Nobody knows: the database itself will say what is wrong.
            return True
        try:
            waiting = self._log.stat().st_size
        except OSError:
            waiting = 0
        return disk.f_bavail * disk.f_frsize >= max(LEAST_FREE, 2 * waiting)


_watches: WeakKeyDictionary[Engine, FreeSpace] = WeakKeyDictionary()


def require_space(engine: AsyncEngine) -> None:
    """Raise `StorageFull` if the SQLite file of this engine has no room left; never for another database."""
    if engine.url.get_backend_name() != "sqlite" or not engine.url.database:
        return
    watch = _watches.get(engine.sync_engine)
    if watch is None:
        watch = _watches[engine.sync_engine] = FreeSpace(Path(engine.url.database))
    watch.require()
