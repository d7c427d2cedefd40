"""Ratios of what was measured, the figures beside them, and the aims that they are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

AT: Final = "c32"
STORES: Final = (("postgres", "pgbench"), ("sqlite", "sqlite3"))


@dataclass(frozen=True)
class Verdict:
    """A ratio, its aim in words, and whether it is met; None where it was not measured."""

    name: str
    ratio: float | None
    aim: str
    met: bool | None


def ratios_of(found: dict[str, Any]) -> dict[str, float | None]:
    """Every key of the record, None for what was not measured; the worse of the stores where a key names none."""
    ratios: dict[str, float | None] = {}
    for kind, plain in STORES:
        store = found["stores"].get(kind, {})
        lane = store.get("lane", {})
        ratios[f"{kind}_{AT}_vs_{plain}"] = _rate(lane, "system", "plain")
        ratios[f"{kind}_{AT}_vs_fastapi_noop"] = _rate(lane, "system", "noop")
        ratios[f"{kind}_{AT}_vs_asgi_echo"] = _rate(lane, "system", "echo")
        ratios[f"{kind}_delivery_p99_vs_post_p99"] = _divided(
            lambda lane=lane: (lane["system"][AT]["delivery"]["p99_ms"], lane["system"][AT]["p99_ms"])  # type: ignore[misc]
        )
        for name in ("us_per_message", "cpu_us_per_message"):
            short = "cost" if name == "us_per_message" else "cpu_cost"
            ratios[f"{kind}_{short}_1e6_vs_1e3"] = _largest_to_smallest(store, name)
        ratios[f"{kind}_cost_spread"] = _spread_at_one_size(store)
    workers = found["stores"].get("postgres", {}).get("workers", {})
    ratios["postgres_two_workers_vs_one"] = _divided(lambda: (workers["2"]["per_second"], workers["1"]["per_second"]))
    for name in ("delivery_p99_vs_post_p99", "cost_1e6_vs_1e3", "cpu_cost_1e6_vs_1e3", "cost_spread"):
        known = [one for kind, _ in STORES if (one := ratios[f"{kind}_{name}"]) is not None]
        ratios[name] = max(known, default=None)
    return ratios


def verdicts_of(ratios: dict[str, float | None]) -> list[Verdict]:
    """The aims at concurrency 32, for delivery, and for cost over size."""
    found = []
    for kind, plain in STORES:
        for name, aim in ((f"{kind}_{AT}_vs_{plain}", 0.5), (f"{kind}_{AT}_vs_fastapi_noop", 0.35)):
            found.append(_verdict(name, ratios[name], f"≥ {aim}", lambda ratio, aim=aim: ratio >= aim))  # type: ignore[misc]
        name = f"{kind}_delivery_p99_vs_post_p99"
        found.append(_verdict(name, ratios[name], "≤ 2", lambda ratio: ratio <= 2))
        name, spread = f"{kind}_cost_1e6_vs_1e3", ratios[f"{kind}_cost_spread"]
        if spread is not None:
            aim_in_words = f"≤ {spread:.2f}, the spread at one size"
            found.append(_verdict(name, ratios[name], aim_in_words, lambda ratio, most=spread: ratio <= most))  # type: ignore[misc]
    return found


def absolute_of(found: dict[str, Any]) -> dict[str, Any]:
    """The figures beside the ratios, medians only: messages per second, milliseconds, microseconds of processor."""
    return {
        f"{kind}_{level}": {
            "per_second": run["per_second"]["median"],
            "p50_ms": run["p50_ms"]["median"],
            "p99_ms": run["p99_ms"]["median"],
            "cpu_us": {name: one["median"] for name, one in run["cpu_us"].items()},
            **({"delivery_p99_ms": run["delivery"]["p99_ms"]["median"]} if "delivery" in run else {}),
            **{
                f"{other}_per_second": lane[other][level]["per_second"]["median"]
                for other in ("plain", "noop", "echo")
                if level in lane.get(other, {})
            },
        }
        for kind, store in found["stores"].items()
        if (lane := store.get("lane"))
        for level, run in lane["system"].items()
    }


def _verdict(name: str, ratio: float | None, aim: str, met: Callable[[float], bool]) -> Verdict:
    return Verdict(name, ratio, aim, met(ratio) if ratio is not None else None)


def _rate(lane: dict[str, Any], above: str, below: str) -> float | None:
    return _divided(lambda: (lane[above][AT]["per_second"], lane[below][AT]["per_second"]))


def _divided(of: Callable[[], tuple[dict[str, Any], dict[str, Any]]]) -> float | None:
    try:
        above, below = of()
        return float(above["median"] / below["median"])
    except (KeyError, ZeroDivisionError):
        return None


def _largest_to_smallest(store: dict[str, Any], name: str) -> float | None:
    posting = store.get("sizes", {}).get("posting", {})
    sizes = sorted(posting, key=int)
    return _divided(lambda: (posting[sizes[-1]][name], posting[sizes[0]][name])) if len(sizes) > 1 else None


def _spread_at_one_size(store: dict[str, Any]) -> float | None:
    """The dearest repeat through the cheapest, at the size where they differ most."""
    posting = store.get("sizes", {}).get("posting", {})
    costs = [run["us_per_message"] for run in posting.values()]
    return max((cost["most"] / cost["least"] for cost in costs), default=None)
