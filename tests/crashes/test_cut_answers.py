"""The connection breaks after each byte of the answer: who asks again with the same key has said it once."""

from __future__ import annotations

import asyncio
import contextlib
import random as chances
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.crashes.rig import Prepared, Rig, rig
from tests.support.ledger import Client, Place
from tests.support.places import agents_place, customers_place
from tests.support.soak import chance, in_every_run_or_soak, keep_figures
from tests.support.tcp_proxy import proxy_to, to_tcp

LONGEST_ANSWER = 8192
AT_ONCE = 8


@pytest.mark.parametrize("side", ["staff", "customer"])
async def test_an_answer_cut_after_any_byte_leaves_exactly_one_message(
    prepared: Prepared, database_kind: str, side: str, tmp_path: Path
) -> None:
    seed, random = chance(f"cut answers of {side} on {database_kind}")
    step = 1 if database_kind == "sqlite" else in_every_run_or_soak(8, 1)
    async with rig(prepared, tmp_path / "house", random, oddities=0.0) as it:
        await it.start()
        place = SIDES[side](it.ground, it.served, it.ground.rooms[0])
        offsets = (number * step for number in count())
        cuts = sum(await asyncio.gather(*(cutting(it, place, name, offsets, random) for name in range(AT_ONCE))))
        await asyncio.to_thread(lambda: it.judge.look(whole=True))
        assert cuts > 200 // step
        keep_figures(f"cut-answers-{side}-{database_kind}", seed=seed, cuts=cuts, step=step, messages=it.judge.judged)


TRIES = 20
SIDES = {"staff": agents_place, "customer": customers_place}


async def cutting(it: Rig, place: Place, name: int, offsets: Iterator[int], random: chances.Random) -> int:
    """One client whose first connection of each message breaks at the next offset, until a whole answer fits."""
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxy_to(to_tcp(*place.line)))
        near = replace(place, line=("127.0.0.1", proxy.port))
        client = Client(f"cut{name}", it.judge.ledger, [near], random, oddities=0.0)
        cuts = 0
        for offset in offsets:
            assert offset < LONGEST_ANSWER
            proxy.answer_bytes = offset
            unknown = client.tally.unknown
            await stored(client, near)
            if client.tally.unknown == unknown:
                break
            cuts += 1
        client.close()
        return cuts


async def stored(client: Client, place: Place) -> None:
    """One message; a server with other work may have answered in time that nothing was stored, and is asked again."""
    for _ in range(TRIES):
        outcome = await client.say(place)
        assert not client.tally.wrong, client.tally.wrong
        if outcome == "ok":
            return
    raise AssertionError(f"never stored: {client.tally.answers}")
