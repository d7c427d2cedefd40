"""What people post on one real server becomes cases from another one: once, as text, and never answered in public
when it was written in private."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from app.cases import arriving, queries
from app.cases import service as cases
from app.cases.arriving import take_in
from app.cases.models import Case, Post
from app.cases.rules import CaseClocks
from app.channels.ports import ChannelRefused, ChannelUnavailable
from app.database import reading
from app.demo.snac.account import Account
from app.demo.snac.servers import SnacPair
from app.handover import service as handover
from app.handover.errors import WrittenInPrivate
from tests.support.house import ON_POSTGRESQL, ON_SQLITE, House
from tests.support.snac import CROSSING, Fediverse, at_phones, crossed, move_in, polled, posts_of

MARKUP = "<script>alert(1)</script><b onmouseover=alert(2)>due</b> volte &lt;i&gt;? <img src=x onerror=alert(3)>"


@dataclass(frozen=True)
class Said:
    """One bank account and who wrote to it."""

    bank: Account
    author: Account
    status: dict[str, Any]


@pytest.fixture(scope="module")
def said(snac_pair: SnacPair) -> dict[str, Said]:
    """Everything that the tests below need posted, at the bank's server by now: they share one crossing."""

    async def post() -> dict[str, Said]:
        async with at_phones(snac_pair) as people:
            made = {
                "markup": await _say(people, f"{MARKUP} ecco", "public"),
                "private": await _say(people, "ecco", "direct"),
            }
            await asyncio.gather(*(crossed(_has(one, "ecco")) for one in made.values()))
            return made

    return asyncio.run(post())


async def _say(people: Fediverse, text: str, visibility: str) -> Said:
    bank, author = await people.bank(), await people.person()
    return Said(bank, author, await author.post(f"@{bank.handle} {text}", visibility=visibility))


def _has(one: Said, words: str) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    return lambda: one.bank.statuses_with(words)


@ON_SQLITE
async def test_a_complaint_on_another_server_is_the_case_of_its_actor(
    house: House, fediverse: Fediverse, said: dict[str, Said]
) -> None:
    """By actor URI, with the handle to show; a stranger's markup arrives as the words in it and nothing else."""
    one = said["markup"]
    assert await polled(house, fediverse.connector(one.bank)) == 1
    [case] = await house.all(Case)
    async with reading(house.services) as db:
        author = await queries.author_of(db, case)
    assert (author.immutable_id, author.handle) == (one.author.uri, one.author.handle)
    [post] = await posts_of(house)
    assert post.url == one.status["url"]
    assert post.text.startswith(f"@{one.bank.handle} ")
    assert post.text.endswith("ecco")
    assert "due volte" in post.text
    assert not any(markup in post.text for markup in ("alert", "<script", "<b", "<img", "onerror"))


@ON_SQLITE
async def test_what_was_written_in_private_is_never_answered_in_public(
    house: House, fediverse: Fediverse, said: dict[str, Said]
) -> None:
    """Neither by the desk, nor by the connector if the desk were to ask for it."""
    one = said["private"]
    connector = fediverse.connector(one.bank)
    move_in(house, connector)
    assert await polled(house, connector) == 1
    [case] = await house.all(Case)
    [post] = await posts_of(house)
    assert post.kind == queries.PRIVATE
    await house.act(lambda db: cases.claim(db, house.anna, case.id))
    with pytest.raises(WrittenInPrivate):
        await house.act(lambda db: handover.publish(db, house.ports, house.anna, case.id, "Buongiorno, eccoci."))
    assert connector.publisher is not None
    with pytest.raises(ChannelRefused, match="post_not_public"):
        await connector.publisher.publish(post.ref, f"@{one.author.handle} Buongiorno, eccoci.", "key")
    page = await fediverse.client.get(one.bank.uri, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "eccoci" not in page.text


@ON_POSTGRESQL
async def test_nothing_is_lost_or_doubled_over_restarts(
    house: House, fediverse: Fediverse, snac_pair: SnacPair, tmp_path: Path
) -> None:
    """A crash between poll and store, a time without Riserbo, a server killed and back: each post is there once."""
    bank, giulia = await fediverse.bank(), await fediverse.person()
    written: list[str] = []

    async def write(count: int) -> None:
        for _ in range(count):
            written.append(f"reclamo numero {len(written):03d}")
            await giulia.post(f"@{bank.handle} {written[-1]}")

    async def all_there() -> bool:
        return len(await bank.statuses_with("reclamo numero")) == len(written)

    await write(3)
    await crossed(all_there)
    connector = fediverse.connector(bank)
    with patch.object(arriving, "receive_post", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        await take_in(house.services, connector, CaseClocks())
    assert await house.all(Post) == []
    assert await polled(house, fediverse.connector(bank)) == 3
    await write(45)  # nobody polls: more than one page waits
    await crossed(all_there, seconds=3 * CROSSING)
    snac_pair.bank.kill()
    connector = fediverse.connector(bank)
    with pytest.raises(ChannelUnavailable):
        await take_in(house.services, connector, CaseClocks())
    await asyncio.to_thread(snac_pair.bank.start)
    raced = await asyncio.gather(*(take_in(house.services, fediverse.connector(bank), CaseClocks()) for _ in range(2)))
    await write(2)
    await crossed(all_there)
    assert sum(raced) + await polled(house, connector) == 47
    texts = [post.text.removeprefix(f"@{bank.handle} ") for post in await posts_of(house)]
    assert sorted(texts) == written
    assert len(await house.all(Case)) == 1
