"""A real process whose wall clock is set while it serves; its monotonic clock stays, as everywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

from app.bench.ground import Ground
from tests.faults.control import Faults
from tests.faults.served import Bank, bank
from tests.support.soak import chance, in_every_run_or_soak, keep_figures

STEPS = in_every_run_or_soak(6, 24)
PATIENCE = 40.0


def jumps_noted(it: Bank) -> list[int]:
    """What the log says of the clock, in its order."""
    with contextlib.closing(sqlite3.connect(Path(it.ground.folder) / "riserbo.db")) as connection:
        leaves = [json.loads(row[0]) for row in connection.execute("SELECT leaf FROM audit_leaves ORDER BY stage_no")]
    return [leaf["data"]["seconds"] for leaf in leaves if leaf["t"] == "log.clock_jumped"]


async def noted(it: Bank, least: int, most: int) -> None:
    """Until the log names a jump of so many seconds."""
    deadline = time.monotonic() + PATIENCE
    while not any(least <= one <= most for one in jumps_noted(it)):
        assert time.monotonic() < deadline, jumps_noted(it)
        await asyncio.sleep(0.2)


async def swept(it: Bank) -> None:
    """Until the sweep, every five seconds, has ended what was over by the clock: then no clock brings it back."""
    deadline = time.monotonic() + PATIENCE
    query = "SELECT count(*) FROM sessions WHERE ended_at IS NULL"
    while True:
        with contextlib.closing(sqlite3.connect(Path(it.ground.folder) / "riserbo.db")) as connection:
            if connection.execute(query).fetchone() == (0,):
                return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def test_a_clock_that_is_set_while_messages_come_harms_nothing(
    ground: Ground, tmp_path: Path, outside: Path, faults: Faults
) -> None:
    """Backwards ten seconds every second under load; then two days ahead and back again."""
    seed, source = chance("clock")
    environment = {**faults.environment, "TZ": "Europe/Rome"}
    async with bank(ground, tmp_path / "house", outside, source, environment) as it:
        it.crowd.start()
        await it.until(lambda: it.crowd.acknowledged >= 20)
        for step in range(1, STEPS + 1):
            faults.set_clock(timedelta(seconds=-10 * step))
            await asyncio.sleep(1.0)
        await noted(it, -10 * STEPS, -10)
        # the way back to the right time is a jump ahead
        faults.set_clock(timedelta(0))
        await noted(it, 10, 10 * STEPS)
        await it.judged()

        faults.set_clock(timedelta(days=2))
        await noted(it, 172_790, 172_810)
        assert (await it.ask("/api/v1/cases"))[0].status == 401
        await swept(it)
        faults.set_clock(timedelta(0))
        await noted(it, -172_810, -172_790)
        # two days later the session was over; it does not come back with the clock
        assert (await it.ask("/api/v1/cases"))[0].status == 401
        await asyncio.to_thread(lambda: it.judge.look(whole=True))
        assert it.served.alive
        keep_figures("clock", seed=seed, noted=jumps_noted(it), **it.crowd.figures())
