"""The connector when its server refuses, talks nonsense or is away; and what the doctor sees of the account."""

from __future__ import annotations

import contextlib

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.channels.ports import (
    ChannelError,
    ChannelRefused,
    ChannelUnavailable,
    Connector,
    State,
)
from security.secret import Secret
from tests.app.channels.mastodon_town import CODE, Town
from tests.app.channels.test_mastodon_mentions import all_of
from tests.support.mastodon import as_json


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
