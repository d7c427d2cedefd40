"""One served demonstration a test: every site on loopback, with its worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.bank import DemoBank
from app.demo.running import free_addresses, running_demo


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[DemoBank]:
    """The throw-away bank, served."""
    folder = tmp_path / "demo"
    folder.mkdir(mode=0o700)
    async with running_demo(folder, free_addresses(None)) as bank:
        yield bank
