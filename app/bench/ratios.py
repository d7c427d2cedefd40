"""Ratios of what was measured, and the aims they are held against."""

from __future__ import annotations

from typing import Any, Final

AT: Final = "c32"
KEYS: Final = (
    "postgres_c32_vs_pgbench",
    "sqlite_c32_vs_sqlite3",
    "postgres_c32_vs_fastapi_noop",
    "sqlite_c32_vs_fastapi_noop",
    "delivery_p99_vs_post_p99",
    "cost_1e6_vs_1e3",
)


def ratios_of(stores: dict[str, Any]) -> dict[str, Any]:
    """Every key of the record; None for what was not measured."""
    ratios: dict[str, Any] = dict.fromkeys(KEYS)
    for kind, plain in (("postgres", "pgbench"), ("sqlite", "sqlite3")):
        lane = stores.get(kind, {}).get("lane", {})
        ratios[f"{kind}_{AT}_vs_{plain}"] = _rate(lane, "system", "plain")
        ratios[f"{kind}_{AT}_vs_fastapi_noop"] = _rate(lane, "system", "noop")
        ratios[f"{kind}_{AT}_vs_asgi_echo"] = _rate(lane, "system", "echo")
        ratios[f"{kind}_delivery_p99_vs_post_p99"] = _delivery(lane)
    known = [ratios[f"{kind}_delivery_p99_vs_post_p99"] for kind in ("postgres", "sqlite")]
    ratios["delivery_p99_vs_post_p99"] = max((one for one in known if one is not None), default=None)
    return ratios


def _rate(lane: dict[str, Any], above: str, below: str) -> float | None:
    try:
        return float(lane[above][AT]["per_second"]["median"] / lane[below][AT]["per_second"]["median"])
    except (KeyError, ZeroDivisionError):
        return None


def _delivery(lane: dict[str, Any]) -> float | None:
    try:
        run = lane["system"][AT]
        return float(run["delivery"]["p99_ms"]["median"] / run["p99_ms"]["median"])
    except (KeyError, ZeroDivisionError):
        return None
