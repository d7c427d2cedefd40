"""One prepared installation for all faults, copied for each; a small disk where mounts are private."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bench.ground import Ground, prepare
from tests.faults.control import Faults

ROOMS = 4


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """On SQLite; nobody serves it."""
    return asyncio.run(prepare(tmp_path_factory.mktemp("ground") / "house", ROOMS))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where ledger and log lie: not on the disk that fails."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def faults(outside: Path, tmp_path: Path) -> Faults:
    return Faults(outside, tmp_path / "house")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """An empty folder on a disk of 192 MiB."""
    disk = os.environ.get("RISERBO_SMALL_DISK")
    if not disk:
        pytest.skip("no private mounts on this machine; test_io_errors.py has the same faults by another way")
    folder = Path(tempfile.mkdtemp(dir=disk))
    folder.chmod(0o711)  # PostgreSQL, run as nobody, passes through
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
