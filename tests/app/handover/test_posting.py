"""Posting a registered reply: once, also where the network's answer was lost; what failed is recorded as failed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from app.channels.ports import ChannelRefused, ChannelUnavailable, PostGone
from app.database import reading
from app.handover import queries, service
from app.handover.models import Reply
from app.handover.posting import give_up, post_reply
from app.handover.queries import Genuine
from app.notifications.models import OutboxRow
from app.notifications.service import Work, claim, retry_later
from tests.support.house import PUBLIC_URL, House

GOOD = "Ciao Giulia, ci dispiace. Ne parliamo in privato qui sotto."


async def registered(house: House, case_id: UUID, text: str = GOOD, *, purpose: str = "answer") -> Reply:
    return await house.act(lambda db: service.publish(db, house.ports, house.anna, case_id, text, purpose=purpose))


async def work(house: House) -> Work:
    house.clock.pass_by(minutes=11)
    [one] = [one for one in await claim(house.services) if one.topic == "post_reply"]
    return one


async def attempt(house: House) -> str:
    """One attempt of the worker."""
    one = await work(house)
    try:
        await post_reply(house.services, house.ports, one)
    except ChannelUnavailable:
        await retry_later(house.services, one, "ChannelUnavailable")
        return "again"
    return "done"


async def states(house: House) -> list[str]:
    return [row.state for row in sorted(await house.all(Reply), key=lambda row: row.created_at)]


async def verify(house: House, question: str) -> Genuine | None:
    async with reading(house.services) as db:
        return await queries.verify(db, house.ports, question)


async def link(house: House, case_id: UUID) -> str:
    return house.ports.case_link((await house.case(case_id)).slug)


async def test_a_posted_reply_stops_the_first_answers_clock_with_its_leaf(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    assert await attempt(house) == "done"
    case = await house.case(case_id)
    assert (case.status, case.first_answered_at) == ("answered", house.clock())
    [reply] = await house.all(Reply)
    assert (reply.state, reply.posted_at) == ("posted", house.clock())
    [leaf] = await house.leaves("reply.posted")
    assert (UUID(leaf["id"]), UUID(leaf["id"])) == (reply.leaf_id, case.leaf_id)
    assert [row.done_at is not None for row in await house.all(OutboxRow) if row.topic == "post_reply"] == [True]


async def test_a_lost_answer_of_the_network_doubles_nothing(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    house.square.lost = [ChannelUnavailable("timeout")]
    assert [await attempt(house), await attempt(house)] == ["again", "done"]
    assert len(house.square.published) == 1
    assert await states(house) == ["posted"]


async def test_a_second_reply_is_posted_though_the_first_carries_the_same_link(house: House) -> None:
    """The retry of the second used to find the first, and took it for its own: recorded as posted, never posted."""
    case_id = await house.claimed()
    await registered(house, case_id)
    await attempt(house)
    await registered(house, case_id, "Ciao Giulia, ti abbiamo risposto.", purpose="closing")
    house.square.faults = [ChannelUnavailable("down")]
    assert [await attempt(house), await attempt(house)] == ["again", "done"]
    assert len(house.square.published) == 2
    urls = {row.url_hash for row in await house.all(Reply)}
    assert len(urls) == 2


async def test_a_second_replys_lost_answer_is_found_beside_the_first(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    await attempt(house)
    await registered(house, case_id, "Ciao Giulia, ti abbiamo risposto.", purpose="closing")
    house.square.lost = [ChannelUnavailable("timeout")]
    assert [await attempt(house), await attempt(house)] == ["again", "done"]
    assert len(house.square.published) == 2
    async with reading(house.services) as db:
        replies = await queries.replies_of(db, await house.case(case_id))
    assert [one.url for one in replies] == [reply.url for _, _, reply in house.square.published]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (PostGone("post_gone"), "post_gone"),
        (ChannelRefused("duplicate"), "duplicate"),
        (ChannelRefused("user @giulia blocked you"), "refused"),
    ],
)
async def test_a_refusal_is_final_and_recorded_without_a_name(
    house: House, refusal: ChannelRefused, reason: str
) -> None:
    await registered(house, await house.claimed())
    house.square.faults = [refusal]
    assert await attempt(house) == "done"
    assert await states(house) == ["failed"]
    [leaf] = await house.leaves("reply.failed")
    assert leaf["data"]["reason"] == reason


async def test_giving_up_is_recorded_as_failed(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    await give_up(house.services, await work(house))
    assert await states(house) == ["failed"]
    assert (await house.leaves("reply.failed"))[0]["data"]["reason"] == "unreachable"
    assert (await house.case(case_id)).first_answered_at is None


async def test_verify_knows_link_address_and_text_and_names_account_and_post(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    await attempt(house)
    [(_, text, reply)] = house.square.published
    known = Genuine(
        "Square", "bancaesempio", "https://square.example/@bancaesempio", house.square.posts[0].url, house.clock()
    )
    address = await link(house, case_id)
    for question in (
        address,
        f"  {address}\n",
        address + "/",
        address + "?from=square",
        reply.url,
        text,
        text.upper(),
        "  ".join(text.split()),
    ):
        assert await verify(house, question) == known, question
    assert isinstance(known.posted_at, datetime)


async def test_verify_knows_no_look_alike(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    await attempt(house)
    address, (_, text, reply) = await link(house, case_id), house.square.published[0]
    slug = (await house.case(case_id)).slug
    assert address == f"{PUBLIC_URL}/c/{slug}"
    for question in (
        address.replace("bancaesempio", "bancaesemplo"),
        address.replace("https://", "http://"),
        address.replace("/c/", ".evil.example/c/"),
        address.replace("https://", "https://evil.example@"),
        f"https://evil.example/?{address}",
        address[:-1],
        address + "a",
        address.replace(slug, slug[::-1]),
        address.replace("e", "е"),
        slug,
        f"/c/{slug}",
        reply.url + "0",
        text.replace("Ciao", "Ciaо"),
        text.replace(PUBLIC_URL, "https://evil.example"),
        text + " anche qui: https://evil.example",
        "",
        " ",
        "%",
        "' OR 1=1 --",
        "a" * 100_000,
    ):
        assert await verify(house, question) is None, question


async def test_verify_tells_nothing_of_a_reply_that_is_not_posted(house: House) -> None:
    case_id = await house.claimed()
    await registered(house, case_id)
    address = await link(house, case_id)
    assert await verify(house, address) is None
    house.square.faults = [PostGone("gone")]
    await attempt(house)
    assert await states(house) == ["failed"]
    assert await verify(house, address) is None
    assert await verify(house, GOOD) is None


async def test_the_newest_case_link_is_one_that_is_public(house: House) -> None:
    case_id = await house.claimed()

    async def newest() -> str:
        async with reading(house.services) as db:
            return await queries.newest_case_link(db, house.ports)

    await registered(house, case_id)
    assert await newest() == ""
    await attempt(house)
    assert await newest() == await link(house, case_id)
