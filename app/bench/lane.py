"""The lane under load: messages through real HTTP at each concurrency, taking turns with what they are compared to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.bench.filling import renew_sessions
from app.bench.forking import Child
from app.bench.ground import Ground
from app.bench.measuring import Empty, Pressure, empty_server, post, post_heads
from app.bench.plain import pgbench_script, run_pgbench, tight_loop
from app.bench.plan import Plan, Tools
from app.bench.serving import Served
from app.bench.spread import spread_of
from app.bench.stores import PostgresStore, Store

Say = Callable[[str], None]
Measured = dict[str, Any]
JUDGED: Final = 32
FIGURES: Final = ("p50_ms", "p99_ms")


@dataclass
class Lane:
    """What one store's repeats gave, by what was measured and at which concurrency."""

    system: dict[int, list[Measured]] = field(default_factory=dict)
    plain: dict[int, list[Measured]] = field(default_factory=dict)
    noop: dict[int, list[Measured]] = field(default_factory=dict)
    echo: dict[int, list[Measured]] = field(default_factory=dict)


def measure_lane(store: Store, ground: Ground, plan: Plan, tools: Tools, say: Say) -> Lane:
    """A B A B: in each repeat the empty servers, the plain rows and the system, one after the other."""
    seen = Lane()
    with ExitStack() as stack:
        plain = stack.enter_context(_plain(store, ground, tools))
        renew_sessions(ground)
        served = tools.served(ground).start()
        stack.callback(served.stop)
        noop = stack.enter_context(empty_server("noop", ground.staff_host))
        echo = stack.enter_context(empty_server("echo", ground.staff_host))
        served.ready()
        _warm_up(ground, served, noop, plan)
        for turn in range(plan.repeats):
            for level in plan.levels:
                pressure = Pressure(level, plan.seconds, streams=plan.streams, warm_up=plan.warm_up)
                # away from the level that is judged they are there for the record, once
                if level == JUDGED or turn == 0:
                    _note(seen.echo, level, echo.measure(post_heads(ground), pressure))
                    _note(seen.noop, level, noop.measure(post_heads(ground), pressure))
                found = plain(level, plan.seconds)
                if found is not None:
                    _note(seen.plain, level, found)
                _note(seen.system, level, post(ground, [served], pressure, store.processes()))
                say(f"{store.kind} c{level} {turn + 1}/{plan.repeats}: {_line(seen, level)}")
    return seen


def _warm_up(ground: Ground, served: Served, noop: Empty, plan: Plan) -> None:
    """Connections, statement caches and branch predictors of a process that has just started."""
    pressure = Pressure(8, min(plan.seconds, 1.0), streams=False, warm_up=0.1)
    noop.measure(post_heads(ground), pressure)
    post(ground, [served], pressure)


def _note(table: dict[int, list[Measured]], level: int, measured: Measured) -> None:
    table.setdefault(level, []).append(measured)


def _line(seen: Lane, level: int) -> str:
    newest = {
        name: table[level][-1]["per_second"]
        for name in ("system", "plain", "noop", "echo")
        if level in (table := getattr(seen, name))
    }
    return ", ".join(f"{name} {rate:.0f}/s" for name, rate in newest.items())


Plain = Callable[[int, float], Measured | None]


@contextmanager
def _plain(store: Store, ground: Ground, tools: Tools) -> Iterator[Plain]:
    """The same rows without the service, in a copy of the ground's main database."""
    folder = Path(ground.folder)
    copy = store.copy(ground.settings().main_database, folder)
    if not isinstance(store, PostgresStore):
        yield lambda level, seconds: Child(tight_loop, copy, seconds).result() if level == JUDGED else None
        return
    script = folder / "pgbench.sql"
    script.write_text(pgbench_script(copy, store.number()), "utf-8")
    yield lambda level, seconds: run_pgbench(tools.pgbench, copy, script, concurrency=level, seconds=seconds)


def summary(seen: Lane) -> dict[str, Any]:
    """Medians with their spread, by what was measured and concurrency, as plain data."""
    return {
        name: {f"c{level}": summary_of(runs) for level, runs in table.items()}
        for name, table in vars(seen).items()
        if table
    }


def summary_of(runs: list[Measured]) -> dict[str, Any]:
    """Medians with their spread of one measurement's repeats."""
    gathered: dict[str, Any] = {"per_second": spread_of([run["per_second"] for run in runs]).to_json()}
    for figure in FIGURES:
        if figure in runs[0]:
            gathered[figure] = spread_of([run[figure] for run in runs]).to_json()
    if "cpu_us" in runs[0]:
        names = runs[0]["cpu_us"]
        gathered["cpu_us"] = {name: spread_of([run["cpu_us"][name] for run in runs]).to_json() for name in names}
        gathered["foreign_cores"] = max(run["foreign_cores"] for run in runs)
    if "delivery" in runs[0]:
        gathered["delivery"] = {
            **{figure: spread_of([run["delivery"][figure] for run in runs]).to_json() for figure in FIGURES},
            "missing": sum(run["delivery"]["missing"] for run in runs),
        }
    return gathered


def measure_workers(store: Store, ground: Ground, plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    """One server process and two, in turns; with two, each room's reader hangs on either, whoever takes the message."""
    level = max(plan.levels)
    runs: dict[int, list[Measured]] = {1: [], 2: []}
    renew_sessions(ground)
    with ExitStack() as stack:
        both = [tools.served(ground) for _ in range(2)]
        for served in both:
            stack.callback(served.start().stop)
        for served in both:
            served.ready()
        for count in runs:
            post(ground, both[:count], Pressure(8, min(plan.seconds, 1.0), streams=False))
        for turn in range(plan.repeats):
            for count, table in runs.items():
                pressure = Pressure(level, plan.seconds, streams=plan.streams, warm_up=plan.warm_up)
                table.append(post(ground, both[:count], pressure, store.processes()))
                say(f"{count} of 2 servers {turn + 1}/{plan.repeats}: {table[-1]['per_second']:.0f}/s")
    return {"concurrency": level, **{str(count): summary_of(table) for count, table in runs.items()}}
