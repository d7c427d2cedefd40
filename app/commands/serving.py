"""Runs the doors and the background work until SIGTERM or SIGINT, then lets what is under way finish."""

from __future__ import annotations

import sys
from asyncio import Runner, create_task
from enum import StrEnum
from typing import Final

import uvloop

from app.channels.learning import keep_learning
from app.commands.operating import opened
from app.http.logs import configure_logging
from app.http.server import raise_file_limit, run_servers
from app.main import listeners
from app.settings import Settings
from app.worker import Worker

GRACE: Final = 5.0
"""Seconds that a stop gives to requests under way; streams take less than one."""


class Part(StrEnum):
    """What one process does; every process also answers on the administration address."""

    ALL = "all"
    PUBLIC = "public"
    STAFF = "staff"
    DOORS = "doors"
    WORKER = "worker"


_DOORS: Final = {
    Part.ALL: ("public", "staff", "admin"),
    Part.PUBLIC: ("public", "admin"),
    Part.STAFF: ("staff", "admin"),
    Part.DOORS: ("public", "staff", "admin"),
    Part.WORKER: ("admin",),
}


def run(settings: Settings, part: Part) -> None:
    """Serve in an event loop of this process's own; raises `NotReady`."""
    configure_logging(sys.stderr)
    raise_file_limit()
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, part))


async def serve(settings: Settings, part: Part) -> None:
    """Serve until a signal comes: streams end first, with a hint where to go on; requests under way are answered; then
    the worker ends its rounds, and the lane commits what it holds.
    """
    async with opened(settings) as house:
        if house.bridge is not None:
            house.bridge.start()
        worker = Worker(house) if part in (Part.ALL, Part.WORKER) else None
        doors = [listener for listener in listeners(house) if listener.name in _DOORS[part]]
        learning = create_task(keep_learning(house.parts.connectors), name="learning")
        if worker is not None:
            worker.start()
        try:
            await run_servers(doors, house.services.wakeups.stopping, grace=GRACE)
        finally:
            learning.cancel()
            if worker is not None:
                await worker.stop()
