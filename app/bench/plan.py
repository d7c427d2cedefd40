"""What one run of the bench measures, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.bench.ground import Ground
from app.bench.serving import Serve, Served

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
    """What there is to measure with: a server whose URL may make databases, pgbench, and how to serve (`Served`)."""

    postgres: str = ""
    pgbench: str = ""
    serve: Serve | None = None

    def served(self, ground: Ground) -> Served:
        """A server process of this installation, not started yet."""
        return Served(ground.folder, environment=ground.environment, serve=self.serve)
