"""A disk that answers EIO or "no space" now and then, on SQLite: who was told "stored" finds it, nobody else is misled."""

from __future__ import annotations

import asyncio
import errno
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest

from app.bench.ground import Ground
from tests.faults.control import SYNCS, WRITES, Faults
from tests.faults.served import bank
from tests.support.soak import chance, in_every_run_or_soak, keep_figures

ACKNOWLEDGED = in_every_run_or_soak(150, 10_000)
LONGEST = in_every_run_or_soak(60.0, 3600.0)
ONE_IN_FIFTY = 20
ROOM_AGAIN_WITHIN = 5.0
NO_LEAF = "/api/v1/staff/me"
"""A read that writes nothing; a room or the queue is not shown without its leaf."""
LOADED = 5.0
"""What a machine with something else to do may take for a refusal; half of them take less than a second."""


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
async def test_what_is_acknowledged_on_a_failing_disk_is_stored_once(
    ground: Ground, tmp_path: Path, outside: Path, faults: Faults, error: int
) -> None:
    name = errno.errorcode[error]
    seed, source = chance(f"{name} at 2 %")
    async with bank(ground, tmp_path / "house", outside, source, faults.environment) as it:
        faults.fail(error, per_mille=ONE_IN_FIFTY, calls=WRITES | SYNCS)
        it.crowd.start()
        await it.until(lambda: it.crowd.acknowledged >= ACKNOWLEDGED, LONGEST)
        faults.calm()
        await it.judged()
        assert it.served.alive
        assert faults.met > 20
        keep_figures(f"io-errors-{name}", seed=seed, faults=faults.met, **it.crowd.figures())


async def test_a_disk_that_takes_nothing_is_refused_at_once_and_reading_goes_on(
    ground: Ground, tmp_path: Path, outside: Path, faults: Faults
) -> None:
    """Every write of the databases answers ENOSPC; then there is room again, without a restart."""
    seed, source = chance("no space at all")
    async with bank(ground, tmp_path / "house", outside, source, faults.environment) as it:
        it.crowd.start()
        await it.until(lambda: it.crowd.acknowledged >= 30)
        faults.fail(errno.ENOSPC, calls=WRITES)
        # so that "last seen" is due, which a read would write
        faults.set_clock(timedelta(minutes=2))
        await asyncio.sleep(0.5)
        taken = []
        for number in range(10):
            answer, seconds = await it.post(f"nessuno spazio {number}", f"full-{number}")
            assert answer.status in (503, 507), answer.body
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"].isdigit()
            queue, _ = await it.ask(NO_LEAF)
            assert queue.status == 200
            taken.append(seconds)
        faults.calm()
        resumed = await it.crowd.all_acknowledged_since(time.monotonic())
        for number in range(10):
            again, _ = await it.post(f"nessuno spazio {number}", f"full-{number}")
            assert again.status == 201
        await it.judged()
        assert it.served.alive
        keep_figures(
            "no-space",
            seed=seed,
            slowest_refusal=round(max(taken), 3),
            resumed_after=round(resumed, 3),
            **it.crowd.figures(),
        )
        assert median(taken) < 1.0
        assert max(taken) < LOADED
        assert resumed < ROOM_AGAIN_WITHIN
