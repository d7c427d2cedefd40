"""What a run says to people: the ratios against their aims, then the figures, as text or as Markdown."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from app.bench.ratios import absolute_of, ratios_of, verdicts_of

PACKAGES: Final = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "sqlalchemy", "psycopg", "aiosqlite")
NAMES: Final = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
PLAIN: Final = {"postgres": "pgbench, the same rows", "sqlite": "sqlite3 loop, the same rows"}
Table = list[list[str]]


def record_of(found: dict[str, Any], command: str) -> dict[str, Any]:
    """The whole run as it is written to the JSON file."""
    ratios = ratios_of(found)
    return {
        "command": command,
        "quick": found["quick"],
        "machine": found["machine"],
        "versions": versions() | {NAMES[kind]: store["version"] for kind, store in found["stores"].items()},
        "seconds": found["seconds"],
        "ratios": ratios,
        "verdicts": [vars(one) for one in verdicts_of(ratios)],
        "absolute": absolute_of(found),
        "plan": found["plan"],
        "stores": found["stores"],
    }


def versions() -> dict[str, str]:
    """What the figures were measured with."""
    known = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def as_json(record: dict[str, Any]) -> str:
    """The JSON file."""
    return json.dumps(record, indent=1) + "\n"


def as_markdown(record: dict[str, Any]) -> str:
    """For a page of documentation."""
    machine, stores = record["machine"], NAMES.values()
    packages = ", ".join(f"{name} {one}" for name, one in record["versions"].items() if name not in stores)
    databases = "; ".join(one for name, one in record["versions"].items() if name in stores)
    lines = [
        f"Machine: {machine['cores']} cores, {machine['processor']}, {machine['memory_mib']} MiB, {machine['system']}.",
        f"Versions: {packages}; {databases}.",
        f"Command: `{record['command']}`, {record['seconds']:.0f} s"
        + (", **a quick run: its figures say nothing**." if record["quick"] else "."),
    ]
    tables = "".join(f"\n### {title}\n\n{_markdown(table)}\n" for title, table in _tables(record))
    return "\n".join(lines) + "\n" + tables


def as_text(record: dict[str, Any]) -> str:
    """For a terminal."""
    return "".join(f"\n{title}\n{_aligned(table)}\n" for title, table in _tables(record))


def _tables(record: dict[str, Any]) -> list[tuple[str, Table]]:
    tables = [("Ratios at concurrency 32", _ratio_table(record))]
    for kind, store in record["stores"].items():
        if "lane" in store:
            tables.append((f"Messages on {NAMES[kind]}, one server process", _lane_table(kind, store["lane"])))
        if "sizes" in store:
            tables.append((f"Cost over size on {NAMES[kind]}, concurrency 32", _size_table(store["sizes"])))
        if "bags" in store:
            tables.append((f"Bags on {NAMES[kind]}", _bag_table(store["bags"])))
        if "workers" in store:
            title = f"Two server processes on {NAMES[kind]}, {record['machine']['cores']} cores"
            tables.append((title, _worker_table(store["workers"])))
    return tables


def _ratio_table(record: dict[str, Any]) -> Table:
    rows = [["ratio", "value", "aim", "met"]]
    for one in record["verdicts"]:
        met = "not measured" if one["met"] is None else "met" if one["met"] else "not met"
        rows.append([one["name"], _number(one["ratio"]), one["aim"], met])
    judged = {one["name"] for one in record["verdicts"]}
    for name, ratio in record["ratios"].items():
        if name.startswith(("postgres_", "sqlite_")) and name not in judged and ratio is not None:
            rows.append([name, _number(ratio), "", ""])
    return rows


def _lane_table(kind: str, lane: dict[str, Any]) -> Table:
    rows = [
        ["what", "concurrency", "a second", "spread", "p50 ms", "p99 ms", "delivered p50/p99 ms", "CPU µs", "others"]
    ]
    for name, title in (
        ("system", "Riserbo"), ("plain", PLAIN[kind]), ("noop", "FastAPI, nothing done"), ("echo", "bare ASGI echo"),
    ):  # fmt: skip
        for level, run in lane.get(name, {}).items():
            rows.append([title, level.removeprefix("c"), *_run_cells(run)])
    return rows


def _run_cells(run: dict[str, Any]) -> list[str]:
    rate = run["per_second"]
    delivery = run.get("delivery")
    delivered = f"{_figure(delivery['p50_ms'])}/{_figure(delivery['p99_ms'])}" if delivery else ""
    processor = ", ".join(
        f"{name} {one['median']:.0f}" for name, one in run.get("cpu_us", {}).items() if name != "generator"
    )
    cells = [f"{rate['median']:.0f}", f"{rate['least']:.0f}–{rate['most']:.0f}"]
    cells += [_figure(run[name]) if name in run else "" for name in ("p50_ms", "p99_ms")]
    return [*cells, delivered, processor, f"{run['foreign_cores']:.1f}" if "foreign_cores" in run else ""]


def _size_table(sizes: dict[str, Any]) -> Table:
    rows = [
        [
            "stored",
            "a second",
            "µs a message",
            "spread",
            "CPU µs a message",
            "spread",
            "page of 50: p50/p99 ms",
            "CPU µs",
        ]
    ]
    for size, run in sizes["posting"].items():
        cost, processor, page = run["us_per_message"], run["cpu_us_per_message"], sizes["history"].get(size)
        row = [f"{int(size):,}", f"{run['per_second']['median']:.0f}"]
        for one in (cost, processor):
            row += [f"{one['median']:.0f}", f"{one['least']:.0f}–{one['most']:.0f}"]
        if page is not None:
            used = sum(us for name, us in page["cpu_us"].items() if name != "generator")
            row += [f"{page['p50_ms']:.1f}/{page['p99_ms']:.1f}", f"{used:.0f}"]
        rows.append(row + [""] * (8 - len(row)))
    return rows


def _bag_table(bags: dict[str, Any]) -> Table:
    rows = [["bag", "items", "MB", "build s", "build µs an item", "verify s", "verify µs an item"]]
    for scope, of in (("log", "leaves"), ("room", "entries")):
        one = bags[scope]
        build, check = one["build_seconds"], one["verify_seconds"]
        row = [
            f"{scope}, in a log of {bags['leaves']:,} leaves",
            f"{one['items']:,} {of}",
            f"{one['bytes'] / 1e6:.1f}",
        ]
        row += [f"{build:.1f}", f"{one['build_us_per_item']:.0f}", f"{check:.1f}", f"{one['verify_us_per_item']:.0f}"]
        rows.append(row)
    return rows


def _worker_table(workers: dict[str, Any]) -> Table:
    rows = [
        ["servers", "concurrency", "a second", "spread", "p50 ms", "p99 ms", "delivered p50/p99 ms", "CPU µs", "others"]
    ]
    return rows + [[count, str(workers["concurrency"]), *_run_cells(workers[count])] for count in ("1", "2")]


def _figure(spread: dict[str, Any]) -> str:
    return f"{spread['median']:.1f}"


def _number(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _markdown(table: Table) -> str:
    head, *rows = (f"| {' | '.join(row)} |" for row in table)
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])


def _aligned(table: Table) -> str:
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )
