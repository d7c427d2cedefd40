"""PostgreSQL crashes, hangs, vanishes: the app says so, keeps its word, and recovers without a restart."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.crashes.bag import a_bag_of_the_whole_log_verifies
from tests.crashes.nemesis import Nemesis
from tests.crashes.rig import Prepared, rig
from tests.support.postgres import DurablePostgres
from tests.support.soak import chance, in_every_run_or_soak, keep_figures, percentile

ROUNDS = 3
FAULTS_A_ROUND = in_every_run_or_soak(10, 170)
MESSAGES_BETWEEN = in_every_run_or_soak(100, 400)
SECONDS_BETWEEN = in_every_run_or_soak(1.0, 2.5)
RECOVERY_SECONDS = 30.0


@pytest.mark.parametrize("round_", range(1, ROUNDS + 1))
async def test_whatever_befalls_postgresql_nothing_acknowledged_is_lost_and_the_app_recovers(
    on_postgres: Prepared, postgres: DurablePostgres, round_: int, tmp_path: Path
) -> None:
    """Every kind of fault at least once a round, in an order of chance."""
    seed, random = chance(f"nemesis of PostgreSQL, round {round_}")
    recoveries: dict[str, list[float]] = defaultdict(list)
    async with rig(on_postgres, tmp_path / "house", random, proxied=True) as it:
        await it.start()
        faults = Nemesis.of(it, postgres, random).faults()
        names = list(faults) * (FAULTS_A_ROUND // len(faults))
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
        assert await a_bag_of_the_whole_log_verifies(it, tmp_path) >= it.judge.leaves
        assert it.served.alive
        assert it.served.pid == served
        figures = it.figures()
        answers = it.crowd.answers
    assert answers["503 outcome_unknown"] + answers["503 unavailable"] > 0, "nobody asked while the database was away"
    assert {answer.split()[0] for answer in answers} <= {"201", "422", "503", "lost"}
    keep_figures(
        f"killed-postgresql-{round_}",
        seed=seed,
        faults=len(names),
        kinds=dict(Counter(names)),
        seconds_until_every_client_was_served_again={
            name: {"p50": percentile(times, 0.5), "most": percentile(times, 1.0)} for name, times in recoveries.items()
        },
        **figures,
    )


async def test_answers_that_never_come_do_not_stop_the_app(
    on_postgres: Prepared, postgres: DurablePostgres, tmp_path: Path
) -> None:
    _, random = chance("answers that never come")
    async with rig(on_postgres, tmp_path / "house", random, proxied=True, seconds=5.0) as it:
        assert it.proxy is not None
        await it.start()
        it.crowd.start()
        await it.crowd.work(50, 5.0)
        it.proxy.swallowing = True
        await it.crowd.work(1000, 0.5)
        it.proxy.swallowing = False  # for new connections; the old ones stay open and dumb
        await it.crowd.all_acknowledged_since(time.monotonic(), RECOVERY_SECONDS)
        await it.look(whole=True)
