"""One served demonstration a test: every site on loopback, with its worker. And two real social servers a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.demo.bank import DemoBank
from app.demo.running import free_addresses, running_demo
from app.demo.snac.servers import SnacPair
from tests.support.snac import Fediverse, at_phones, program_or_skip, running_pair


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[DemoBank]:
    """The throw-away bank, served."""
    folder = tmp_path / "demo"
    folder.mkdir(mode=0o700)
    async with running_demo(folder, free_addresses(None)) as bank:
        yield bank


@pytest.fixture(scope="module")
def snac_ground() -> Path:
    """The program of a social server, where two of them can run; the test that asks for it has the ground to itself."""
    return program_or_skip()


@pytest.fixture(scope="module")
def snac_pair(snac_ground: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnacPair]:
    """Two running servers; accounts are each test's own."""
    with running_pair(tmp_path_factory.mktemp("snac")) as pair:
        yield pair


@pytest.fixture
async def fediverse(snac_pair: SnacPair) -> AsyncIterator[Fediverse]:
    """The two servers with people at their phones."""
    async with at_phones(snac_pair) as people:
        yield people
