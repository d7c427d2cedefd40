"""The faults of a child process (faults.c), turned on and off while it runs."""

from __future__ import annotations

import errno
import mmap
import struct
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests.support.native import library

SOURCE: Final = Path(__file__).with_name("faults.c")
WRITES: Final = 1
SYNCS: Final = 2
TRUNCATIONS: Final = 4
_NUMBERS: Final = struct.Struct("<5q")


class Faults:
    """One control file, for one process or several; calm at first."""

    def __init__(self, folder: Path, disk: Path) -> None:
        """`folder` is where the control file goes; only databases below `disk` meet faults."""
        self._path = folder / "faults.control"
        self._path.write_bytes(bytes(_NUMBERS.size))
        self._disk = disk
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NUMBERS.size)

    @property
    def environment(self) -> dict[str, str]:
        """What the child's environment needs."""
        return {
            "LD_PRELOAD": str(library(SOURCE)),
            "FAULTS_CONTROL": str(self._path),
            "FAULTS_FOLDER": str(self._disk),
        }

    @property
    def met(self) -> int:
        """How many calls have failed so far."""
        return int.from_bytes(self._map[32:40], "little")

    def fail(self, error: int = errno.EIO, *, per_mille: int = 1000, calls: int = WRITES | SYNCS | TRUNCATIONS) -> None:
        """From now on, that many of a thousand calls answer `error`."""
        self._map[8:16] = bytes(8)
        self._map[0:8] = error.to_bytes(8, "little")
        self._map[16:24] = calls.to_bytes(8, "little")
        self._map[8:16] = per_mille.to_bytes(8, "little")

    def calm(self) -> None:
        """No more faults."""
        self._map[8:16] = bytes(8)

    def set_clock(self, ahead: timedelta) -> None:
        """The wall clock is so much ahead of the machine's (behind: negative); the monotonic clock never moves."""
        nanoseconds = (ahead // timedelta(microseconds=1)) * 1000
        self._map[24:32] = nanoseconds.to_bytes(8, "little", signed=True)
