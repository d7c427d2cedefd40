"""A folder in memory for rebuilt disks: what they are opened with syncs, and a real disk would take its time."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@contextlib.contextmanager
def in_memory(otherwise: Path) -> Iterator[Path]:
    """A new folder in memory, below `otherwise` on machines without such a place; gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else otherwise, prefix="riserbo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Gone after the test, however it went."""
    with in_memory(tmp_path) as folder:
        yield folder
