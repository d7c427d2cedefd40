"""Whether a message costs more as the store grows, and what reading costs: installations of several sizes, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from app.bench.filling import renew_sessions
from app.bench.ground import Ground
from app.bench.lane import Measured, Say, summary_of
from app.bench.measuring import NotMeasured, Pressure, get, last_numbers, post
from app.bench.plan import Plan
from app.bench.serving import SOURCE, Served
from app.bench.spread import spread_of
from app.bench.stores import Store, connected

PAGE = 50
CONCURRENCY = 32
READERS = 8
Grounds = dict[int, Ground]


def measure_sizes(store: Store, grounds: Grounds, plan: Plan, say: Say) -> dict[str, Any]:
    """Posting at each size, A B C C B A: cost per message as time and as processor time, and pages of the history."""
    posts: dict[int, list[Measured]] = {size: [] for size in grounds}
    pages: dict[int, Measured] = {}
    with ExitStack() as stack:
        served = {}
        for size, ground in grounds.items():
            renew_sessions(ground)
            served[size] = stack.enter_context(Served(ground.folder, environment=ground.environment))
        for size, ground in grounds.items():
            post(ground, [served[size]], Pressure(8, min(plan.size_seconds, 1.0), streams=False))
        for turn in range(plan.size_repeats):
            for size in list(grounds) if turn % 2 == 0 else reversed(list(grounds)):
                pressure = Pressure(CONCURRENCY, plan.size_seconds, streams=plan.streams)
                run = post(grounds[size], [served[size]], pressure, store.processes())
                posts[size].append(run)
                say(f"{store.kind} {size:,} stored {turn + 1}/{plan.size_repeats}: {run['per_second']:.0f}/s")
        if "reads" in plan.parts:
            for size in pages_of(grounds):
                pages[size] = _history(store, grounds[size], served[size], plan)
                say(f"{store.kind} history page of {size:,} stored: {pages[size]['per_second']:.0f}/s")
    return {
        "posting": {str(size): {**summary_of(runs), **_cost(runs)} for size, runs in posts.items()},
        "history": {str(size): page for size, page in pages.items()},
    }


def pages_of(grounds: Grounds) -> list[int]:
    """The sizes at which every room has more than a page."""
    return [size for size, ground in grounds.items() if size >= PAGE * len(ground.rooms)]


def _cost(runs: list[Measured]) -> dict[str, Any]:
    """Time and processor time of one message, in microseconds, the latter of server and database together."""
    processor = [sum(us for name, us in run["cpu_us"].items() if name != "generator") for run in runs]
    return {
        "us_per_message": spread_of([1e6 / run["per_second"] for run in runs]).to_json(),
        "cpu_us_per_message": spread_of(processor).to_json(),
    }


def _history(store: Store, ground: Ground, served: Served, plan: Plan) -> Measured:
    """The newest page of 50 entries, each reading with its leaf."""
    least = min(last_numbers(ground)[room.conversation_id] for room in ground.rooms)
    path = f"/api/v1/conversations/{{room}}/messages?limit={PAGE}&after={max(least - PAGE, 0)}"
    return get(ground, served, path, Pressure(READERS, plan.read_seconds), store.processes())


def measure_exports(ground: Ground, stored: int, say: Say) -> dict[str, Any]:
    """A bag of the whole log and one of a room: built by the command line with a worker of its own, then verified.

    Times are those of the whole commands; a bag that does not verify raises `NotMeasured`.
    """
    leaves, room = _size_of_log(ground), ground.rooms[0].conversation_id
    found: dict[str, Any] = {"stored": stored, "leaves": leaves}
    for scope, of, items in (("log", (), leaves), ("room", ("--room", room), last_numbers(ground)[room])):
        bag = Path(ground.folder) / f"{scope}.zip"
        built = _timed(
            ground,
            *("export", "--dir", ground.folder, "--scope", scope, *of, "--reason", "bench", "--out", str(bag)),
            *("--wait", "600", "--with-worker"),
        )
        checked = _timed(ground, "verify", str(bag), "--trust", str(Path(ground.folder) / "trust.json"))
        found[scope] = {
            "items": items,
            "bytes": bag.stat().st_size,
            "export_seconds": built,
            "verify_seconds": checked,
            "export_us_per_item": built / items * 1e6,
            "verify_us_per_item": checked / items * 1e6,
        }
        say(f"bag of the {scope}, {items} items: built in {built:.1f} s, verified in {checked:.1f} s")
    return found


def _size_of_log(ground: Ground) -> int:
    with closing(connected(ground.settings().main_database)) as connection:
        return int(connection.execute("SELECT size FROM audit_log").fetchone()[0])


def _timed(ground: Ground, *arguments: str) -> float:
    environment = {**os.environ, **ground.environment, "RISERBO_TOKEN": ground.staff["olga"].token}
    begin = time.perf_counter()
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotMeasured(f"{arguments[0]}: {(done.stderr or done.stdout)[-2000:]}")
    return time.perf_counter() - begin
