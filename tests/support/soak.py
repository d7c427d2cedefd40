"""How long the suites of faults run (short in every run, long in `make soak`), their chance, and where figures go.

`RISERBO_SEED` repeats a run's choices; without it every run draws its own and says which. `python -m tests.support.soak`
prints the figures of the last runs.
"""

from __future__ import annotations

import json
import os
import platform
import random
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
SOAK: Final = os.environ.get("RISERBO_SOAK") == "1"
FIGURES: Final = Path(__file__).resolve().parents[2] / ".cache" / "soak"


def in_every_run_or_soak(short: T, long: T) -> T:
    """`short` in every run, `long` in `make soak`."""
    return long if SOAK else short


def chance(what: str) -> tuple[int, random.Random]:
    """The seed of this test and its source of chance; the seed stands in the captured output of a failed test."""
    seed = int(os.environ.get("RISERBO_SEED") or secrets.randbelow(2**32))
    print(f"{what}: RISERBO_SEED={seed}")
    return seed, random.Random(seed)


def keep_figures(name: str, **figures: object) -> None:
    """Print what a test measured, and keep it in `.cache/soak/NAME.json` (of a short run: `short-NAME.json`)."""
    document = {
        "name": name,
        "soak": SOAK,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **figures,
    }
    text = json.dumps(document, indent=1, sort_keys=True, default=str)
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f"{'' if SOAK else 'short-'}{name}.json").write_text(text + "\n", "utf-8")
    print(text)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of all lie, rounded to milliseconds; 0.0 without values."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0


def _main() -> None:
    for path in sorted(FIGURES.glob("*.json")):
        print(path.read_text("utf-8"), end="")


if __name__ == "__main__":
    _main()
