"""Audit paths of single leaves, without the hashes of the whole log in memory.

The log is cut into tiles of 1,024 leaves. The root of a full tile never changes, so each is computed once a process;
a path then needs the hashes of its own tile, those of the last one, and the roots of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from app.audit.models import SequencedLeaf
from app.database import reading
from app.services import Services
from security.merkle import TreeHasher, root_of

TILE: Final = 1024
TILES_AT_ONCE: Final = 16


@dataclass
class TileRoots:
    """The roots of the log's full tiles, from the first on, as far as this process has needed them."""

    roots: list[bytes] = field(default_factory=list)
    growing: asyncio.Lock = field(default_factory=asyncio.Lock)


async def inclusion_paths(
    services: Services, tiles: TileRoots, indexes: Sequence[int], size: int
) -> dict[int, list[bytes]]:
    """By index of a leaf, its audit path in the log of the first `size` leaves."""
    full = size // TILE
    await _grow(services, tiles, full)
    roots = tiles.roots[:full]
    if size % TILE:
        roots.append(root_of(await _hashes(services, full * TILE, size)))
    upper, lower = TreeHasher(roots), dict[int, TreeHasher]()
    paths = {}
    for index in indexes:
        tile, place = divmod(index, TILE)
        if tile not in lower:
            lower[tile] = TreeHasher(await _hashes(services, tile * TILE, min((tile + 1) * TILE, size)))
        inside = lower[tile]
        paths[index] = inside.inclusion(place, inside.size) + upper.inclusion(tile, upper.size)
    return paths


async def _grow(services: Services, tiles: TileRoots, full: int) -> None:
    """Full tiles only: what stands in them stands there for good."""
    async with tiles.growing:
        while len(tiles.roots) < full:
            first = len(tiles.roots)
            last = min(first + TILES_AT_ONCE, full)
            hashes = await _hashes(services, first * TILE, last * TILE)
            tiles.roots += await asyncio.to_thread(_roots, hashes)


def _roots(hashes: Sequence[bytes]) -> list[bytes]:
    return [root_of(hashes[at : at + TILE]) for at in range(0, len(hashes), TILE)]


async def _hashes(services: Services, start: int, end: int) -> list[bytes]:
    """The hashes of the leaves from `start` to before `end`; raises LookupError where one is missing."""
    statement = select(SequencedLeaf.leaf_hash).where(SequencedLeaf.leaf_index >= start, SequencedLeaf.leaf_index < end)
    async with reading(services) as db:
        found = list((await db.execute(statement.order_by(SequencedLeaf.leaf_index))).scalars())
    if len(found) != end - start:
        raise LookupError("the log has a hole")
    return found
