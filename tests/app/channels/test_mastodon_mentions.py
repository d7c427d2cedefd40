"""Mentions in, against a strict Mastodon server: none lost, none doubled, and who wrote them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from app.channels.mastodon_api import parsed
from app.channels.mastodon_arrivals import PAGE, read_cursor
from app.channels.ports import (
    Arrivals,
    Visibility,
)
from app.outbound import OutboundResponse
from tests.app.channels.mastodon_town import Town
from tests.support.mastodon_entities import Account


async def all_of(arrivals: Arrivals, cursor: str | None) -> tuple[list[str], str | None]:
    """Everything from here on: the texts, and where it ends."""
    texts: list[str] = []
    for _ in range(100):
        posts, moved = await arrivals.poll(cursor)
        if moved == cursor:
            return texts, cursor
        texts += [post.text.partition(" ")[2] for post in posts]
        cursor = moved
    raise AssertionError("the arrivals never end")


async def test_a_mention_arrives_with_its_author_and_its_text(town: Town) -> None:
    status = town.complain("due <volte>?\n\nGrazie")
    posts, cursor = await town.arrivals.poll(None)
    [post] = posts
    assert post.author == town.subject(town.giulia)
    assert (post.author.immutable_id, post.author.handle) == (town.giulia.uri, f"giulia@{town.away.site}")
    assert post.text == "@bancaesempio due <volte>?\n\nGrazie"
    assert post.external_id == f"{town.home.local(status.uri)}@{town.home.site}"
    assert (post.visibility, post.is_own, post.in_reply_to) == (Visibility.PUBLIC, False, None)
    assert post.created_at == town.now
    assert await town.arrivals.poll(cursor) == ([], cursor)


async def test_who_was_renamed_is_the_same_person_under_another_name(town: Town) -> None:
    first = await town.arrived()
    town.giulia.name = "giulia_nuova"
    second = await town.arrived()
    assert first.author == second.author
    assert second.author.handle == f"giulia_nuova@{town.away.site}"


async def test_a_filtered_mention_arrives_too(town: Town) -> None:
    town.complain("da un account nuovo", filtered=True)
    assert (await all_of(town.arrivals, None))[0] == ["da un account nuovo"]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("public", Visibility.PUBLIC),
        ("unlisted", Visibility.UNLISTED),
        ("private", Visibility.PRIVATE),
        ("direct", Visibility.PRIVATE),
    ],
)
async def test_what_not_everybody_reads_arrives_as_private(town: Town, said: str, read: Visibility) -> None:
    assert (await town.arrived(visibility=said)).visibility is read


@pytest.mark.parametrize("more", [1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7])
@pytest.mark.parametrize("quirks", [[], ["newest"], ["no_min_id"], ["no_types"], ["newest", "no_types"]])
async def test_nothing_is_lost_or_doubled_whatever_way_a_server_pages(town: Town, quirks: list[str], more: int) -> None:
    town.home.quirks |= set(quirks)
    town.complain("prima")
    seen, cursor = await all_of(town.arrivals, None)
    for number in range(more):
        town.complain(f"n{number}")
        if number % 3 == 0:
            town.home.notify_of(town.complain("apprezzata", "direct"), kind="favourite")
    town.connector = town.connect()
    later, cursor = await all_of(town.arrivals, cursor)
    assert seen == ["prima"]
    assert [text for text in later if text != "apprezzata"] == [f"n{number}" for number in range(more)]
    assert len(read_cursor(cursor)) <= 8
    assert await all_of(town.arrivals, cursor) == ([], cursor)


async def test_a_notification_that_was_committed_late_is_found_behind_newer_ones(town: Town) -> None:
    town.complain("uno")
    late = town.complain("tardi")
    hidden = town.home.notifications.pop()
    town.complain("due")
    texts, cursor = await all_of(town.arrivals, None)
    town.home.notifications.append(hidden)
    assert texts == ["uno", "due"]
    assert (await all_of(town.arrivals, cursor))[0] == ["tardi"]
    assert late.uri in town.home._local


async def test_the_first_poll_begins_with_the_newest_page(town: Town) -> None:
    for number in range(PAGE + 5):
        town.complain(f"n{number}")
    texts, _ = await all_of(town.arrivals, None)
    assert texts == [f"n{number}" for number in range(5, PAGE + 5)]


async def test_the_banks_own_posts_are_known_by_actor_and_not_by_name(town: Town) -> None:
    copycat = town.away.join("bancaesempio", "Banca Esempio")
    town.away.post(copycat, f"@bancaesempio@{town.home.site} sono la banca")
    [post] = (await town.arrivals.poll(None))[0]
    assert not post.is_own


async def test_a_deleted_or_unreadable_post_stands_in_nobodys_way(town: Town) -> None:
    town.complain("uno")
    gone = town.complain("due")
    town.complain("tre").author = Account("not an address", "x", town.away.site, "X", town.away.site)
    # no moment in UTC: in its own zone it is the last second of the last year that there is
    town.complain("tardi").at = datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))
    town.complain("quattro")
    next(one for one in town.home.notifications if one.status is gone).status = None
    assert (await all_of(town.arrivals, None))[0] == ["uno", "quattro"]


def test_bytes_that_are_no_text_do_not_make_a_page_unreadable() -> None:
    body = b'[{"content": "caff\xe8 \xed\xa0\x80"}, {"content": "caff\xc3\xa8"}]'
    broken, whole = parsed(OutboundResponse(200, {}, body))
    assert whole == {"content": "caffè"}
    assert broken["content"].startswith("caff\ufffd")
    assert broken["content"].encode()


async def test_a_page_too_large_is_read_one_by_one_and_what_alone_is_too_large_is_left_out(town: Town) -> None:
    town.complain("uno")
    _, cursor = await all_of(town.arrivals, None)
    for number in range(4):
        town.complain(f"n{number}", content=f"<p>@x n{number}</p>" + "<b></b>" * 50_000)
    town.complain("bomba", content="x" * 1_100_000)
    town.complain("dopo")
    assert (await all_of(town.arrivals, cursor))[0] == ["n0", "n1", "n2", "n3", "dopo"]


async def test_long_posts_do_not_stop_the_polling_of_a_server_that_cuts_at_the_newest(town: Town) -> None:
    """Such a server names nothing that it did not send; a dozen of its longest posts are more than we read at once."""
    town.home.quirks = {"newest"}
    town.complain("uno")
    _, cursor = await all_of(town.arrivals, None)
    for number in range(12):
        town.complain(f"n{number}", content=f"<p>@x n{number}</p>" + "<b></b>" * 30_000)
    town.complain("dopo")
    assert (await all_of(town.arrivals, cursor))[0] == [*(f"n{number}" for number in range(12)), "dopo"]


async def test_an_edited_post_arrives_once(town: Town) -> None:
    status = town.complain("prima")
    texts, cursor = await all_of(town.arrivals, None)
    status.content = "<p>dopo</p>"
    town.home.notify_of(status, kind="update")
    assert texts == ["prima"]
    assert (await all_of(town.arrivals, cursor))[0] == []


async def test_a_hostile_name_brings_nothing_into_a_text(town: Town) -> None:
    town.giulia.name, town.giulia.display = "x @vittima\n", "<b>Giulia</b>\u202e" + "x" * 300
    town.away.post(town.giulia, f"@bancaesempio@{town.home.site} ciao")
    [post] = (await town.arrivals.poll(None))[0]
    assert post.author.handle == f"x@vittima@{town.away.site}"
    assert len(post.author.display_name) == 100
    assert "\u202e" not in post.author.display_name
