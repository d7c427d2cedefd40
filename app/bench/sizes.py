"""Whether a message costs more as the store grows, and what reading costs: installations of several sizes, in turns."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from app.bench.filling import renew_sessions
from app.bench.ground import Ground
from app.bench.lane import Measured, Say, summary_of
from app.bench.measuring import Pressure, get, last_numbers, post
from app.bench.plan import Plan, Tools
from app.bench.serving import Served
from app.bench.spread import spread_of
from app.bench.stores import Store

PAGE = 50
CONCURRENCY = 32
READERS = 8
Grounds = dict[int, Ground]


def measure_sizes(store: Store, grounds: Grounds, plan: Plan, tools: Tools, say: Say) -> dict[str, Any]:
    """Posting at each size, A B C C B A: cost per message as time and as processor time, and pages of the history."""
    posts: dict[int, list[Measured]] = {size: [] for size in grounds}
    pages: dict[int, Measured] = {}
    with ExitStack() as stack:
        for ground in grounds.values():
            renew_sessions(ground)
        served = {size: tools.served(ground) for size, ground in grounds.items()}
        for one in served.values():
            # before anything else can fail: it has a session of its own and would outlive this process
            stack.callback(one.start().stop)
        for size, ground in grounds.items():
            served[size].ready()
            post(ground, [served[size]], Pressure(8, min(plan.size_seconds, 1.0), streams=False, warm_up=plan.warm_up))
        for turn in range(plan.size_repeats):
            for size in list(grounds) if turn % 2 == 0 else reversed(list(grounds)):
                pressure = Pressure(CONCURRENCY, plan.size_seconds, streams=plan.streams, warm_up=plan.warm_up)
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
    return get(ground, served, path, Pressure(READERS, plan.read_seconds, warm_up=plan.warm_up), store.processes())
