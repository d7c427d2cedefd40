"""The connector against a strict Mastodon server: mentions in, answers out, codes by direct message."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.channels.mastodon import mastodon_connector
from app.channels.mastodon_arrivals import PAGE, read_cursor
from app.channels.ports import (
    Arrivals,
    ArrivedPost,
    ChannelError,
    ChannelRefused,
    ChannelUnavailable,
    Connector,
    DirectMessageRefused,
    DirectMessages,
    PostGone,
    Publisher,
    State,
    Subject,
    TextTooLong,
    Visibility,
)
from security.secret import Secret
from tests.support.mastodon import Account, Fediverse, Status, as_json, fediverse

LINK = "https://chat.bancaesempio.example/c/abcdefghijklmnopqrstuvwxyz"
CODE = "Banca Esempio: il codice è 12345678. Non dirlo a nessuno."


@dataclass
class Town:
    """The bank's server and the customers'; `now` is everybody's clock."""

    world: Fediverse
    now: datetime

    def __post_init__(self) -> None:
        self.world.now = lambda: self.now
        self.home, self.away = self.world.servers["banca.localhost"], self.world.servers["social.localhost"]
        self.bank, self.giulia = self.home.join("bancaesempio", "Banca Esempio"), self.away.join("giulia")
        self.token = self.home.token_of(self.bank)
        self.connector = self.connect()

    def connect(self, **changed: Any) -> Connector:
        values: dict[str, Any] = {"account": "bancaesempio", "token": Secret(self.token.encode())}
        named = {"name": "mastodon", "base_url": self.home.base + "/", "label": "Mastodon"}
        return mastodon_connector(**named | values | changed, outbound=self.world.outbound())

    def complain(self, text: str = "un bollo due volte?", visibility: str = "public", **more: Any) -> Status:
        return self.away.post(self.giulia, f"@{self.bank.name}@{self.home.site} {text}", visibility, **more)

    @property
    def arrivals(self) -> Arrivals:
        assert self.connector.arrivals is not None
        return self.connector.arrivals

    @property
    def publisher(self) -> Publisher:
        assert self.connector.publisher is not None
        return self.connector.publisher

    @property
    def messages(self) -> DirectMessages:
        assert self.connector.direct_messages is not None
        return self.connector.direct_messages

    async def arrived(self, **more: Any) -> ArrivedPost:
        """One complaint, as it comes in."""
        self.complain(**more)
        posts, _ = await self.arrivals.poll(None)
        return posts[-1]

    def answer(self, text: str = "Eccoci") -> str:
        return self.publisher.fit(f"@giulia@{self.away.site} {text}", LINK)

    def subject(self, account: Account) -> Subject:
        return Subject("mastodon", "fediverse", account.uri, f"{account.name}@{account.host}", account.display)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with fediverse("banca.localhost", "social.localhost") as world:
        yield Town(world, datetime(2026, 11, 21, 19, tzinfo=UTC))


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


# arrivals


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
    town.complain("quattro")
    next(one for one in town.home.notifications if one.status is gone).status = None
    assert (await all_of(town.arrivals, None))[0] == ["uno", "quattro"]


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


# answers


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


# direct messages


async def test_a_code_reaches_the_one_account_and_nobody_else(town: Town) -> None:
    await town.messages.send(town.subject(town.giulia), CODE, "c1")
    [notification] = town.away.notifications
    assert notification.status is not None
    assert notification.status.visibility == "direct"
    assert notification.status.text == f"@giulia@{town.away.site} {CODE}"
    assert [one.uri for one in notification.status.mentions] == [town.giulia.uri]


async def test_a_code_follows_the_account_and_not_its_old_name(town: Town) -> None:
    subject = town.subject(town.giulia)
    town.giulia.name = "giulia_nuova"
    thief = town.away.join("giulia", "Chi ha preso il nome")
    await town.messages.send(subject, CODE, "c1")
    [notification] = town.away.notifications
    assert notification.status is not None
    assert [one.uri for one in notification.status.mentions] == [town.giulia.uri] != [thief.uri]


async def test_a_code_for_an_account_of_the_banks_own_server_arrives(town: Town) -> None:
    marco = town.home.join("marco")
    await town.messages.send(town.subject(marco), CODE, "c1")
    assert [one.status.mentions for one in town.home.notifications if one.status] == [[marco]]


async def test_an_account_that_is_gone_gets_no_code(town: Town) -> None:
    subject = town.subject(town.giulia)
    town.world.accounts.clear()
    with pytest.raises(DirectMessageRefused):
        await town.messages.send(subject, CODE, "c1")


async def test_a_text_that_names_somebody_is_not_sent(town: Town) -> None:
    with pytest.raises(ChannelRefused, match="text_names_an_account"):
        await town.messages.send(town.subject(town.giulia), f"{CODE} @tania", "c1")
    assert town.away.notifications == []


@pytest.mark.parametrize(
    "said", [{"visibility": "public"}, {"mentions": []}, {"mentions": [{"acct": "tania@x.example"}]}]
)
async def test_a_code_that_went_out_otherwise_than_meant_is_taken_back(town: Town, said: dict[str, Any]) -> None:
    real = town.home.status
    town.home.status = lambda status: real(status) | said  # type: ignore[method-assign]
    with pytest.raises((ChannelRefused, DirectMessageRefused)):
        await town.messages.send(town.subject(town.giulia), CODE, "c1")
    assert town.home.statuses == {}


async def test_a_subject_of_another_network_is_refused(town: Town) -> None:
    with pytest.raises(ChannelRefused, match="subject_of_another_network"):
        await town.messages.send(Subject("square", "fediverse", "1", "a", "A"), CODE, "c1")


# refusals and trouble


async def test_the_token_of_another_account_reads_nothing(town: Town) -> None:
    town.complain()
    stranger = town.connect(token=Secret(town.home.token_of(town.home.join("marco")).encode()))
    assert stranger.arrivals is not None
    with pytest.raises(ChannelRefused, match="token_of_another_account"):
        await stranger.arrivals.poll(None)


@pytest.mark.parametrize(
    "fault",
    [
        Response(status_code=500),
        Response(status_code=429),
        RedirectResponse("http://127.0.0.1/", 302),
        PlainTextResponse("<h1>ok</h1>"),
        as_json({"not": "a list"}),
        as_json([1]),
        PlainTextResponse("[" * 60_000),
    ],
)
async def test_nonsense_from_the_server_is_unavailable_and_moves_no_cursor(town: Town, fault: Response) -> None:
    town.complain()
    _, cursor = await all_of(town.arrivals, None)
    town.home.faults = [fault]
    with contextlib.suppress(ChannelUnavailable):
        assert await town.arrivals.poll(cursor) == ([], cursor)
    town.complain("due")
    assert (await all_of(town.arrivals, cursor))[0] == ["due"]


async def test_a_server_that_is_away_is_unavailable_everywhere(town: Town) -> None:
    post = await town.arrived()
    away = town.connect(base_url="http://banca.localhost:1")
    assert away.arrivals is not None
    assert away.publisher is not None
    assert away.direct_messages is not None
    for call in (
        away.arrivals.poll(None),
        away.publisher.read_thread(type(post.ref)("1@banca.localhost:1", "t")),
        away.direct_messages.send(post.author, CODE, "k"),
    ):
        with pytest.raises(ChannelUnavailable):
            await call


async def test_a_limit_of_the_server_is_waited_for_and_not_final(town: Town) -> None:
    town.home.limits["api"] = 0
    with pytest.raises(ChannelUnavailable):
        await town.arrivals.poll(None)


async def test_no_error_and_no_repr_shows_the_token(town: Town) -> None:
    shown = repr(town.connector) + repr(town.connector.arrivals)
    town.home.faults = [Response(status_code=403)]
    with pytest.raises(ChannelError) as refused:
        await town.arrivals.poll(None)
    assert town.token not in shown + repr(refused.value)


# the doctor's look


async def look(connector: Connector) -> list[tuple[State, str]]:
    assert connector.look is not None
    return [(one.state, one.text) for one in await connector.look()]


async def test_a_good_account_looks_right(town: Town) -> None:
    assert {state for state, _ in await look(town.connector)} == {State.RIGHT}


async def test_a_dropping_policy_a_wrong_token_and_a_missing_scope_are_seen(town: Town) -> None:
    town.home.policy = {"for_new_accounts": "drop"}
    assert (
        State.WRONG,
        "mentions are dropped (for_new_accounts): set the notification policy to accept",
    ) in await look(town.connector)
    weak = town.connect(token=Secret(town.home.token_of(town.bank, "read").encode()))
    assert any(state is State.WRONG and "write:statuses" in text for state, text in await look(weak))
    other = town.connect(token=Secret(town.home.token_of(town.home.join("marco")).encode()))
    assert await look(other) == [(State.WRONG, "the token is not of bancaesempio")]
    assert (await look(town.connect(token=Secret(b"wrong"))))[0][0] is State.WRONG
    assert (await look(town.connect(base_url="http://banca.localhost:1")))[0][0] is State.WRONG
