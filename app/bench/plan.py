"""What one run of the bench measures, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PARTS: Final = ("lane", "sizes", "reads", "workers")
STORES: Final = ("sqlite", "postgres")


@dataclass(frozen=True)
class Plan:
    """Times in seconds; `repeats` of everything that has a spread, with system and baselines taking turns."""

    levels: tuple[int, ...] = (1, 8, 32, 128)
    repeats: int = 3
    seconds: float = 3.0
    warm_up: float = 0.5
    rooms: int = 64
    streams: bool = True
    sizes: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    size_repeats: int = 4
    size_seconds: float = 2.5
    read_seconds: float = 2.0
    parts: tuple[str, ...] = PARTS
    stores: tuple[str, ...] = STORES
    quick: bool = False


QUICK: Final = Plan(
    levels=(32,),
    repeats=1,
    seconds=0.4,
    warm_up=0.1,
    rooms=4,
    sizes=(50, 250),
    size_repeats=2,
    size_seconds=0.3,
    read_seconds=0.2,
    parts=("lane", "sizes", "reads"),
    quick=True,
)


@dataclass(frozen=True)
class Tools:
    """What the operator gave: a PostgreSQL server (its URL may create databases), and pgbench."""

    postgres: str = ""
    pgbench: str = ""
