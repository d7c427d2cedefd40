"""kill -9 of server and worker at random moments under load: nothing acknowledged is lost, doubled or reordered."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.crashes.bag import a_bag_of_the_whole_log_verifies
from tests.crashes.rig import Prepared, rig
from tests.support.soak import SOAK, chance, in_every_run_or_soak, keep_figures, percentile

KILLS = in_every_run_or_soak(20, 200)
STOPS = in_every_run_or_soak(5, 100)
MESSAGES_BETWEEN = in_every_run_or_soak(150, 600)
SECONDS_BETWEEN = in_every_run_or_soak(2.0, 4.0)
WHILE_STARTING = 0.25
COLD_AFTER = (6, 7, 14, 15)


async def test_a_killed_server_loses_no_acknowledged_message(
    prepared: Prepared, database_kind: str, tmp_path: Path
) -> None:
    seed, random = chance(f"killed app on {database_kind}")
    async with rig(prepared, tmp_path / "house", random) as it:
        await it.start()
        it.crowd.start()
        kills = 0
        while kills < KILLS:
            await it.crowd.work(random.randrange(MESSAGES_BETWEEN), SECONDS_BETWEEN)
            await it.kill()
            kills += 1
            if random.random() < WHILE_STARTING:
                it.served.start()
                await asyncio.sleep(random.uniform(0.0, 0.4))
                await it.kill()
                kills += 1
            await it.start(cold=SOAK or kills in COLD_AFTER)
            await it.look()
        await it.look(whole=True)
        assert await a_bag_of_the_whole_log_verifies(it, tmp_path) >= it.judge.leaves
        assert it.crowd.acknowledged >= KILLS
        keep_figures(f"killed-app-{database_kind}", seed=seed, kills=kills, **it.figures())


async def test_a_server_that_is_told_to_stop_under_load_loses_no_acknowledged_message(
    prepared: Prepared, database_kind: str, tmp_path: Path
) -> None:
    seed, random = chance(f"stopped app on {database_kind}")
    ends: list[float] = []
    async with rig(prepared, tmp_path / "house", random) as it:
        await it.start()
        it.crowd.start()
        for _ in range(STOPS):
            await it.crowd.work(random.randrange(MESSAGES_BETWEEN), SECONDS_BETWEEN)
            begun = time.monotonic()
            status = await asyncio.to_thread(it.served.stop, 30.0)
            ends.append(time.monotonic() - begun)
            assert status == 0, it.served.last_lines()
            await it.start()
            await it.look()
        await it.look(whole=True)
        times = {"p50": percentile(ends, 0.5), "most": percentile(ends, 1.0)}
        keep_figures(f"stopped-app-{database_kind}", seed=seed, stops=STOPS, seconds_to_stop=times, **it.figures())
