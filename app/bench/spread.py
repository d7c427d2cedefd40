"""Many measurements in few numbers: percentiles of one run, median and spread of repeated ones."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """Of repeats of the same measurement: median, least, most, and all of them in the order they were taken."""

    median: float
    least: float
    most: float
    values: tuple[float, ...]

    @property
    def relative(self) -> float:
        """Half of the way from least to most, as a part of the median."""
        return (self.most - self.least) / 2 / self.median if self.median else 0.0

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return {**asdict(self), "values": list(self.values), "relative": self.relative}


def spread_of(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), tuple(values))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """`p50_ms` and `p99_ms`, the nearest rank; 0.0 of nothing."""
    if not seconds:
        return {"p50_ms": 0.0, "p99_ms": 0.0}
    ranked = sorted(seconds)
    last = len(ranked) - 1
    return {"p50_ms": ranked[round(last * 0.50)] * 1000, "p99_ms": ranked[round(last * 0.99)] * 1000}
