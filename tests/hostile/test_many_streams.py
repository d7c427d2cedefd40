"""Thousands of open streams on one worker: little memory each, and what is written still arrives at once."""

from __future__ import annotations

import time
from pathlib import Path

from app.bench.ground import Ground
from tests.hostile.arena import Arena, Held, prefer
from tests.hostile.conftest import more_files
from tests.support.soak import in_every_run_or_soak, keep_figures

STREAMS = in_every_run_or_soak(1_000, 10_000)
KIB_EACH = 60
MARK = "Arrivato-ovunque"
BUDGETS = {
    "RISERBO_TRAFFIC__CUSTOMER_STREAMS": "20000",
    "RISERBO_TRAFFIC__CUSTOMER_BURST": "100000",
    "RISERBO_TRAFFIC__CUSTOMER_PER_SECOND": "100000",
}


def test_thousands_of_streams_cost_little_memory_each_and_get_what_is_written(
    hostile_ground: Ground, hostile_folder: Path
) -> None:
    with more_files():
        arena = Arena(hostile_ground, hostile_folder, BUDGETS)
        with arena.served:
            prefer(arena.served.pid, -15)
            heads = [
                arena.head("GET", "/room/events", f"Cookie: {room.cookie_name}={room.cookie_value}")
                for room in arena.ground.rooms
            ]
            port = arena.served.public.port
            with Held({"port": port, "heads": heads, "count": len(heads)}):
                # what any first use costs is no stream's
                arena.post(0, "Buongiorno")
            time.sleep(0.5)
            before = arena.rss()
            with Held({"port": port, "heads": heads, "count": STREAMS, "mark": MARK}) as held:
                state, grown, used = held.count(), arena.rss() - before, arena.cpu_seconds()
                time.sleep(3)
                held_cpu = (arena.cpu_seconds() - used) / 3
                begun = time.monotonic()
                arena.post(0, MARK)
                time.sleep(2)
                marks = held.count()["marks"]
    in_the_room = len(range(0, STREAMS, len(heads)))
    slowest = max(marks) - begun if marks else float("inf")
    keep_figures(
        "hostile-streams",
        streams=state["open"],
        opened_in_seconds=held.seconds,
        tried_again=state["refused"],
        kib_each=round(grown / 1024 / STREAMS, 1),
        cpu_while_held=round(held_cpu, 3),
        streams_of_the_room=in_the_room,
        slowest_delivery_ms=round(slowest * 1000, 1),
    )
    assert state["open"] == STREAMS
    assert state["cut"] == 0
    assert grown / STREAMS <= KIB_EACH * 1024
    assert len(marks) == in_the_room
    assert slowest < 1.0
