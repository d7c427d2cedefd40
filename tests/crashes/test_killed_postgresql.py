"""PostgreSQL crashes, hangs, vanishes: the app says so, keeps its word, and recovers without a restart."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.crashes.nemesis import Nemesis
from tests.crashes.rig import HEAVY, Prepared, rig
from tests.support.postgres import DurablePostgres
from tests.support.soak import chance, in_every_run_or_soak, keep_figures, percentile

pytestmark = pytest.mark.xdist_group(HEAVY)
FAULTS = in_every_run_or_soak(30, 500)
MESSAGES_BETWEEN = in_every_run_or_soak(100, 1000)
SECONDS_BETWEEN = in_every_run_or_soak(1.0, 5.0)
RECOVERY_SECONDS = 30.0


async def test_whatever_befalls_postgresql_nothing_acknowledged_is_lost_and_the_app_recovers(
    on_postgres: Prepared, postgres: DurablePostgres, tmp_path: Path
) -> None:
    seed, random = chance("nemesis of PostgreSQL")
    recoveries: dict[str, list[float]] = defaultdict(list)
    async with rig(on_postgres, tmp_path / "house", random, proxied=True) as it:
        await it.start()
        faults = Nemesis.of(it, postgres, random).faults()
        names = list(faults) * (FAULTS // len(faults))
        random.shuffle(names)
        it.crowd.start()
        served = it.served.pid
        for name in names:
            await it.crowd.work(random.randrange(MESSAGES_BETWEEN), SECONDS_BETWEEN)
            await faults[name]()
            try:
                recovered = await it.crowd.all_acknowledged_since(time.monotonic(), RECOVERY_SECONDS)
            except TimeoutError:
                pytest.fail(f"after '{name}' not every client was served again within {RECOVERY_SECONDS} s")
            recoveries[name].append(recovered)
            await it.look()
        await it.look(whole=True)
        assert it.served.alive
        assert it.served.pid == served
        figures = it.figures()
        answers = it.crowd.answers
    assert answers["503"] > 0, "the app was never asked while its database was away"
    assert not [status for status in answers if status not in ("201", "422", "503", "lost")]
    keep_figures(
        "killed-postgresql",
        seed=seed,
        faults=len(names),
        kinds=dict(Counter(names)),
        seconds_until_every_client_was_served_again={
            name: {"p50": percentile(times, 0.5), "most": percentile(times, 1.0)} for name, times in recoveries.items()
        },
        **figures,
    )
