"""Answers out, against a strict Mastodon server: as public as the complaint, once, and whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.channels.mastodon_publisher import Figures, _figures_in
from app.channels.ports import (
    ChannelRefused,
    PostGone,
    TextTooLong,
)
from tests.app.channels.mastodon_town import LINK, Town


async def test_an_answer_stands_in_the_thread_and_mentions_the_author(town: Town) -> None:
    post = await town.arrived()
    reply = await town.publisher.publish(post.ref, town.answer(), "k1")
    made = list(town.home.statuses.values())[-1]
    assert (made.visibility, made.reply_to) == ("public", town.away.statuses[town.away.local(made.reply_to or "")].uri)
    assert [one.uri for one in made.mentions] == [town.giulia.uri]
    assert reply.url.startswith(town.home.base)
    assert town.away.notifications[-1].status is made


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
async def test_an_answer_is_as_public_as_its_complaint(town: Town, visibility: str) -> None:
    post = await town.arrived(visibility=visibility)
    await town.publisher.publish(post.ref, town.answer(), "k1")
    assert list(town.home.statuses.values())[-1].visibility == visibility


@pytest.mark.parametrize("visibility", ["private", "direct"])
async def test_a_private_complaint_is_never_answered_in_public(town: Town, visibility: str) -> None:
    post = await town.arrived(visibility=visibility)
    before = len(town.home.statuses)
    with pytest.raises(ChannelRefused, match="post_not_public"):
        await town.publisher.publish(post.ref, town.answer(), "k1")
    assert len(town.home.statuses) == before


async def test_a_deleted_complaint_is_not_answered(town: Town) -> None:
    post = await town.arrived()
    town.away.delete(next(iter(town.home.statuses.values())))
    with pytest.raises(PostGone):
        await town.publisher.publish(post.ref, town.answer(), "k1")
    assert town.home.statuses == {}


async def test_an_author_renamed_since_is_not_mentioned_by_the_old_name(town: Town) -> None:
    post, text = await town.arrived(), town.answer()
    town.giulia.name = "giulia_nuova"
    town.away.join("giulia", "Chi ha preso il nome")
    with pytest.raises(ChannelRefused, match="author_renamed"):
        await town.publisher.publish(post.ref, text, "k1")
    assert town.away.notifications == []


async def test_the_same_key_answers_once(town: Town) -> None:
    post = await town.arrived()
    replies = [await town.publisher.publish(post.ref, town.answer(), "k1") for _ in range(2)]
    assert replies[0] == replies[1]
    town.now += timedelta(hours=2)
    assert await town.publisher.publish(post.ref, town.answer(), "k1") != replies[0]


async def test_the_banks_own_answer_is_found_again_and_others_are_not(town: Town) -> None:
    post = await town.arrived()
    assert await town.publisher.find_own_reply(post.ref, LINK) is None
    stranger = town.away.join("tania")
    complaint = next(iter(town.home.statuses.values()))
    town.away.post(stranger, f"guardate {LINK}", reply_to=complaint)
    town.home.post(town.bank, "senza indirizzo", reply_to=complaint)
    assert await town.publisher.find_own_reply(post.ref, LINK) is None
    reply = await town.publisher.publish(post.ref, town.answer(), "k1")
    assert await town.publisher.find_own_reply(post.ref, LINK) == reply
    assert await town.publisher.find_own_reply(post.ref, LINK, [reply.url]) is None


async def test_a_thread_too_large_to_read_does_not_hide_the_banks_answer(town: Town) -> None:
    post = await town.arrived()
    reply = await town.publisher.publish(post.ref, town.answer(), "k1")
    complaint = next(iter(town.home.statuses.values()))
    for _ in range(12):
        town.away.post(town.giulia, "lungo", reply_to=complaint, content="<p>" + "x" * 100_000 + "</p>")
    assert await town.publisher.find_own_reply(post.ref, LINK) == reply
    assert [one.text for one in await town.publisher.read_thread(post.ref)] == [post.text]


async def test_the_thread_is_read_without_what_is_private(town: Town) -> None:
    root = town.away.post(town.away.join("tania"), "anche a me")
    town.complain(reply_to=root)
    [post] = (await town.arrivals.poll(None))[0]
    complaint = town.home.statuses[post.external_id.partition("@")[0]]
    town.away.post(town.giulia, f"@bancaesempio@{town.home.site} in privato", "direct", reply_to=complaint)
    town.away.post(town.giulia, "e ancora", reply_to=complaint)
    thread = await town.publisher.read_thread(post.ref)
    assert [one.text for one in thread] == ["anche a me", "@bancaesempio un bollo due volte?", "e ancora"]
    assert post.in_reply_to == thread[0].external_id


async def test_a_post_that_another_server_numbered_is_not_answered_here(town: Town) -> None:
    post = await town.arrived()
    ref = type(post.ref)(post.external_id.replace("banca.localhost", "altra.localhost"), "t")
    with pytest.raises(ChannelRefused, match="post_of_another_server"):
        await town.publisher.publish(ref, town.answer(), "k1")


@pytest.mark.parametrize("longest", [500, 260])
async def test_what_fits_is_taken_and_one_more_is_refused_by_both(town: Town, longest: int) -> None:
    town.home.longest = longest
    post = await town.arrived()
    await town.publisher.publish(post.ref, town.answer(), "learns the figures")
    room = longest - len("@giulia ") - 1 - 23
    await town.publisher.publish(post.ref, town.answer("x" * room), "k1")
    with pytest.raises(TextTooLong) as refused:
        town.answer("x" * (room + 1))
    assert refused.value.length == refused.value.maximum + 1
    with pytest.raises(ChannelRefused):
        await town.publisher.publish(post.ref, f"@giulia@{town.away.site} {'x' * (room + 1)}\n{LINK}", "k2")


async def test_a_link_is_never_shortened(town: Town) -> None:
    await town.arrived()
    assert town.answer().endswith("\n" + LINK)
    assert LINK in town.answer()


@pytest.mark.parametrize("told", [1e999, "x", None, 10, -1])
def test_a_length_that_makes_no_sense_is_as_if_none_was_said(told: object) -> None:
    statuses = {"max_characters": told, "characters_reserved_per_url": 23}
    assert _figures_in({"configuration": {"statuses": statuses}}) == Figures()
