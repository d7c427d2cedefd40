"""The power cuts of tests/powercut on a short record: quick enough to be run under a planted fault each time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.powercut.conftest import in_memory
from tests.powercut.judging import FINE
from tests.powercut.test_power_cuts import judged, recorded
from tests.support.soak import chance

MESSAGES = 60
POINTS = 30


async def test_no_power_cut_of_a_short_record_loses_what_was_acknowledged(tmp_path: Path) -> None:
    _, source = chance("power cuts of a short record")
    with in_memory(tmp_path) as folder:
        [record] = await asyncio.to_thread(recorded, folder, MESSAGES, [source.randrange(2**32)])
        counts = await judged(folder, record, POINTS, source)
    assert counts[FINE] == POINTS, counts
