"""Paths of single leaves by tiles are those of the whole tree, whatever its size."""

from __future__ import annotations

import pytest

from app.actors import SYSTEM
from app.audit import proofs, queries
from app.audit.proofs import TileRoots, inclusion_paths
from app.audit.sequencer import sequence
from app.audit.service import record
from app.database import reading, transaction
from security.merkle import TreeHasher
from tests.support.house import House


async def grow(house: House, count: int) -> list[bytes]:
    """The hashes of the log with so many more leaves."""
    async with transaction(house.services) as db:
        for number in range(count):
            record(db, "log.heartbeat", stream="log", actor=SYSTEM, data={"size": number})
    while await sequence(house.services):
        pass
    async with reading(house.services) as db:
        return await queries.leaf_hashes(db, 10_000)


async def test_each_path_is_the_one_of_the_whole_tree(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "TILE", 8)
    monkeypatch.setattr(proofs, "TILES_AT_ONCE", 3)
    tiles = TileRoots()
    hashes = await grow(house, 70)
    tree = TreeHasher(hashes)
    sizes = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, len(hashes)]
    for size in (*sizes, *sizes[::-1]):
        paths = await inclusion_paths(house.services, tiles, range(size), size)
        assert [paths[index] for index in range(size)] == [tree.inclusion(index, size) for index in range(size)]


async def test_a_size_that_the_log_does_not_have_is_refused(house: House) -> None:
    hashes = await grow(house, 3)
    with pytest.raises(LookupError):
        await inclusion_paths(house.services, TileRoots(), [0], len(hashes) + 1)
