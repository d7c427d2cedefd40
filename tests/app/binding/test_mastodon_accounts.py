"""What a visitor may type as an account: any account, any server that answers, and nothing of the bank's own."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import RedirectResponse

from app.binding.errors import AccountIncomplete, NotFinishedHere, SignInUnreachable
from app.binding.rules import State
from app.channels.mastodon import mastodon_connector
from app.outbound import OutboundClient
from security.secret import Secret
from tests.app.binding.mastodon_town import Town
from tests.support.mastodon import approve


async def test_the_same_happens_whoever_s_the_named_account_is_and_whether_the_link_is_ours(town: Town) -> None:
    steps = []
    for slug, account in (
        (town.slug, town.named()),
        (town.slug, town.named(town.mallory)),
        ("unknown" + "a" * 19, town.named()),
    ):
        before = len(town.away.seen)
        leaving = await town.leave(await town.bank.visit(slug), account)
        await town.leave(await town.bank.visit(slug), account)
        steps.append((town.away.seen[before:][-1:], leaving.host, set(parse_qs(urlsplit(leaving.url).query))))
    assert steps[0] == steps[1] == steps[2]


async def test_an_unknown_link_gets_its_refusal_after_the_sign_in_only(town: Town) -> None:
    visitor = await town.bank.visit("unknown" + "a" * 19)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor)
    assert await town.bank.reasons() == ["unknown_link"]


@pytest.mark.parametrize(
    "account",
    [
        "x@nessuno.localhost",
        "x@127.0.0.1",
        "x@169.254.169.254",
        "x@localhost",
        "x@10.0.0.1:80",
        "x@social.localhost:1",
        "x@[::1]",
    ],
)
async def test_a_server_that_is_away_or_refused_leaves_the_other_ways_open(town: Town, account: str) -> None:
    visitor = await town.bank.visit(town.slug)
    with pytest.raises((SignInUnreachable, AccountIncomplete)):
        await town.leave(visitor, account)
    assert await visitor.state() == State.STARTED
    await town.leave(visitor)


async def test_the_banks_own_services_are_not_reached_by_naming_them(town: Town) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.5"]

    outbound = OutboundClient(hosts={"directory.bank.example": ("127.0.0.1", 443)}, resolver=resolve)
    connector = mastodon_connector(
        name="mastodon", base_url=town.home.base, account="b", token=Secret(b"t"), label="M", outbound=outbound
    )
    town.bank.ports = replace(town.bank.ports, connectors=(connector,))
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug), "x@directory.bank.example")
    assert asked == ["directory.bank.example"]


@pytest.mark.parametrize("account", ["giulia", "@giulia", "giulia@"])
async def test_an_account_without_its_server_is_asked_for_whole(town: Town, account: str) -> None:
    with pytest.raises(AccountIncomplete):
        await town.leave(await town.bank.visit(town.slug), account)


async def test_an_account_may_live_on_another_server_than_its_name_says(town: Town) -> None:
    town.giulia.host = town.other.site
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor, f"giulia@{town.other.site}")
    assert leaving.url.startswith(town.away.base)
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia"))
    assert await visitor.state() == State.HANDLE_OK


async def test_one_hop_of_webfinger_is_asked_for_anew_and_not_followed(town: Town) -> None:
    town.giulia.host = town.other.site
    town.other.faults = [RedirectResponse(f"{town.away.base}/.well-known/webfinger?resource=ignored", 301)]
    leaving = await town.leave(await town.bank.visit(town.slug), f"giulia@{town.other.site}")
    assert leaving.url.startswith(town.away.base)
    town.other.faults = [RedirectResponse("http://169.254.169.254/", 301)]
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug), f"giulia@{town.other.site}")
