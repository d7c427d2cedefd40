"""The private folder of one build, where a bag is in the clear for as long as it is being made.

Each folder is locked by its build. The lock dies with the process, so whatever nobody holds was left by a crash, and
the next build of any process removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = ".build-"


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A new folder (0700) inside `folder`, gone with everything in it at the end; removes abandoned ones first."""
    remove_abandoned(folder)
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)


def remove_abandoned(folder: Path) -> int:
    """Remove the folders of builds that died; returns how many."""
    removed = 0
    for place in folder.glob(f"{PREFIX}*"):
        try:
            handle = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
            removed += 1
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
    return removed
