"""What is written in groups behind the streams: in order, tried again, and never waited for in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.conversations import gathering
from app.conversations.gathering import Gathering


async def test_what_comes_together_is_written_together_in_order() -> None:
    groups: list[list[int]] = []

    async def write(items: Sequence[int]) -> None:
        groups.append(list(items))

    one = Gathering(write, largest=2)
    for number in range(5):
        one.add(number)
    await asyncio.wait_for(one.drain(), 5)
    assert groups == [[0, 1], [2, 3], [4]]


async def test_a_group_that_could_not_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PAUSE", 0.001)
    tries: list[list[int]] = []

    async def write(items: Sequence[int]) -> None:
        tries.append(list(items))
        if len(tries) < 3:
            raise ConnectionError

    one = Gathering(write)
    await asyncio.wait_for(one.add(1), 5)
    assert tries == [[1], [1], [1]]


async def test_a_writer_cancelled_before_its_first_step_keeps_nobody_waiting() -> None:
    """As at the end of a loop, which cancels everything once: whoever drains then must come to an end."""
    written: list[int] = []

    async def write(items: Sequence[int]) -> None:
        written.extend(items)

    one = Gathering(write)
    one.add(1)
    assert one._task is not None
    one._task.cancel()
    await asyncio.wait_for(one.drain(), 5)
    one.add(2)
    await asyncio.wait_for(one.drain(), 5)
    assert written == [1, 2]
