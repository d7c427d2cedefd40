"""Arrivals: stored once over restarts, repeats and rivals; the cursor moves with its posts, and never back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.cases.arriving import take_in
from app.cases.models import Case, Post
from app.cases.rules import CaseClocks
from app.channels.models import ChannelCursor
from app.channels.ports import ArrivedPost, ChannelUnavailable, Connector
from app.notifications.service import claim
from tests.support.house import House
from tests.support.square import public_post

CLOCKS = CaseClocks()


async def poll(house: House) -> int:
    return await take_in(house.services, house.connector, CLOCKS)


async def cursor(house: House) -> list[str]:
    return [row.cursor for row in await house.all(ChannelCursor)]


async def test_a_page_and_its_cursor_are_stored_together_and_once(house: House) -> None:
    house.square.pages = [[public_post("giulia", "uno"), public_post("marco", "due")], [public_post("giulia", "tre")]]
    assert [await poll(house) for _ in range(4)] == [2, 1, 0, 0]
    assert (len(await house.all(Case)), len(await house.all(Post))) == (2, 3)
    assert await cursor(house) == ["2"]
    assert house.square.polled == [None, "1", "2", "2"]


async def test_a_page_that_comes_again_changes_nothing(house: House) -> None:
    page = [public_post("giulia", "uno"), public_post("giulia", "due")]
    house.square.pages = [page, page, [*page, *page]]
    for _ in range(3):
        await poll(house)
    assert (len(await house.all(Case)), len(await house.all(Post))) == (1, 2)
    assert len(await house.leaves("post.received")) == 2


async def test_a_page_that_cannot_be_stored_moves_nothing_and_comes_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.square.pages = [[public_post("giulia", "uno"), public_post("marco", "due")]]

    async def fail(*_args: object, **_options: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("app.cases.arriving.enqueue", fail)
        with pytest.raises(RuntimeError):
            await poll(house)
    assert (await cursor(house), await house.all(Post), await house.leaves("case.opened")) == ([], [], [])
    assert await poll(house) == 2
    assert len(await house.all(Case)) == 2


async def test_a_network_that_is_down_moves_nothing(house: House) -> None:
    house.square.fails_to_poll = ChannelUnavailable("down")
    with pytest.raises(ChannelUnavailable):
        await poll(house)
    assert await cursor(house) == []


async def test_rivals_that_read_the_same_page_store_it_once(house: House) -> None:
    house.square.pages = [[public_post("giulia", "uno"), public_post("giulia", "due"), public_post("marco", "tre")]]
    await asyncio.gather(*(poll(house) for _ in range(6)), return_exceptions=True)
    assert (len(await house.all(Case)), len(await house.all(Post))) == (2, 3)
    assert await cursor(house) == ["1"]
    await house.check_streams()


async def test_a_slow_rival_never_moves_the_cursor_back(house: House) -> None:
    house.square.pages = [
        [public_post("giulia", "uno")],
        [public_post("giulia", "due")],
        [public_post("giulia", "tre")],
    ]
    await poll(house)
    slow, gate = asyncio.Event(), asyncio.Event()
    fetch = house.square.poll

    async def slowly(at: str | None) -> tuple[list[ArrivedPost], str | None]:
        answer = await fetch(at)
        if not slow.is_set():
            slow.set()
            await gate.wait()
        return answer

    house.square.poll = slowly  # type: ignore[method-assign]
    late = asyncio.create_task(poll(house))
    await slow.wait()
    assert [await poll(house), await poll(house)] == [1, 1]
    gate.set()
    assert await late == 0
    assert await cursor(house) == ["3"]
    assert len(await house.all(Post)) == 3


async def test_the_banks_own_posts_open_no_case(house: House) -> None:
    house.square.pages = [[public_post("bancaesempio", "Ciao!", is_own=True)]]
    assert await poll(house) == 1
    assert await house.all(Case) == []
    assert await cursor(house) == ["1"]


async def test_a_connector_without_arrivals_is_not_asked(house: House) -> None:
    still = Connector("still", "square", "x", "Still", "bank", "https://square.example/@bank")
    assert await take_in(house.services, still, CLOCKS) == 0


async def test_each_new_case_asks_for_its_thread_once(house: House) -> None:
    house.square.pages = [[public_post("giulia", "uno")], [public_post("giulia", "due")]]
    await poll(house)
    await poll(house)
    works: Sequence[object] = await claim(house.services)
    assert [getattr(one, "topic", None) for one in works] == ["read_thread"]
