"""Sign-in at the server of the account that was named: who is right comes in, and no server speaks for another one."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import Response

from app.binding import handle_proof
from app.binding.errors import NotFinishedHere, OutOfStep, SignInUnreachable
from app.binding.models import Flow
from app.binding.rules import State
from tests.app.binding.bank import code_in
from tests.app.binding.mastodon_town import PUBLIC_URL, Town
from tests.app.binding.outside import HOME
from tests.support.mastodon import approve


async def test_the_account_that_complained_is_proved_at_its_own_server(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK
    assert ("GET", "/oauth/userinfo") in town.away.seen


async def test_another_account_of_the_same_server_is_refused(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor, name="mallory")
    assert await town.bank.reasons() == ["other_account"]
    assert await visitor.state() == State.REFUSED


async def test_the_token_is_given_back_at_once_whoever_signed_in(town: Town) -> None:
    for name in ("giulia", "mallory"):
        visitor = await town.bank.visit(town.slug)
        leaving = await town.leave(visitor)
        back = await approve(leaving.url, town.away, name)
        await asyncio.gather(town.come_back(visitor, back), return_exceptions=True)
        assert town.away.tokens == {}
        assert town.away.seen[-1] == ("POST", "/oauth/revoke")


async def test_a_renamed_account_is_still_the_one_that_complained(town: Town) -> None:
    town.giulia.name = "giulia_nuova"
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor, town.named())
    await town.come_back(visitor, await approve(leaving.url, town.away, "giulia_nuova"))
    assert await visitor.state() == State.HANDLE_OK


async def test_who_took_over_a_freed_name_is_somebody_else(town: Town) -> None:
    town.giulia.name = "giulia_nuova"
    town.away.join("giulia", "Chi ha preso il nome")
    visitor = await town.bank.visit(town.slug)
    with pytest.raises(NotFinishedHere):
        await town.sign_in(visitor)
    assert await town.bank.reasons() == ["other_account"]


async def test_no_server_can_claim_an_account_of_another_one(town: Town) -> None:
    impostor = town.other.join("giulia")
    town.other.claims = lambda _account: town.giulia.uri
    for quirks in (set(), {"no_userinfo"}, {"no_metadata"}):
        town.other.quirks = quirks
        visitor = await town.bank.visit(town.slug)
        leaving = await town.leave(visitor, town.named(impostor))
        with pytest.raises(NotFinishedHere):
            await town.come_back(visitor, await approve(leaving.url, town.other, "giulia"))
        assert await visitor.state() == State.HANDLE_PENDING
        town.bank.clock.pass_by(days=31)
    assert set(await town.bank.reasons()) == {"proved_nothing"}


async def test_a_server_that_names_another_issuer_in_its_answer_proves_nothing(town: Town) -> None:
    town.away.says["userinfo"] = {"iss": town.other.base}
    with pytest.raises(NotFinishedHere):
        await town.sign_in(await town.bank.visit(town.slug))
    assert await town.bank.reasons() == ["proved_nothing"]


@pytest.mark.parametrize("said", ["https://evil.example", "", None])
async def test_a_callback_with_a_wrong_or_missing_issuer_asks_nobody(town: Town, said: str | None) -> None:
    town.away.says["metadata"] = {"authorization_response_iss_parameter_supported": True}
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    before = list(town.away.seen)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back | ({"iss": said} if said is not None else {}))
    assert town.away.seen == before
    assert await town.bank.reasons() == ["wrong_issuer"]


async def test_the_promised_issuer_is_accepted(town: Town) -> None:
    town.away.says = {
        "metadata": {"authorization_response_iss_parameter_supported": True},
        "callback": {"iss": f"{town.away.base}/"},
    }
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK


async def test_an_issuer_nobody_promised_must_still_be_the_servers_own(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back | {"iss": town.other.base})


async def test_each_server_has_a_return_address_and_a_code_of_another_one_is_not_used(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    hostile = await town.leave(visitor, town.named(town.other.join("x")))
    honest = await town.leave(await town.bank.visit(town.slug))
    addresses = [parse_qs(urlsplit(one.url).query)["redirect_uri"][0] for one in (hostile, honest)]
    assert addresses[0] != addresses[1]
    assert all(one.startswith(f"{PUBLIC_URL}/signin/mastodon/callback/") for one in addresses)
    code = (await approve(honest.url, town.away, "giulia"))["code"]
    state = parse_qs(urlsplit(hostile.url).query)["state"][0]
    before = list(town.other.seen)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, {"code": code, "state": state, "path": urlsplit(addresses[1]).path})
    assert town.other.seen == before
    assert await town.bank.reasons() == ["other_address"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "https://evil.example/oauth/token"},
        {"authorization_endpoint": "https://evil.example/oauth/authorize"},
        {"revocation_endpoint": "http://169.254.169.254/latest"},
        {"userinfo_endpoint": "https://evil.example/userinfo"},
    ],
)
async def test_a_server_that_points_elsewhere_is_left_alone(town: Town, metadata: dict[str, str]) -> None:
    town.away.says["metadata"] = metadata
    with pytest.raises(SignInUnreachable):
        await town.leave(await town.bank.visit(town.slug))
    assert town.away.apps == {}


async def test_pkce_is_sent_and_a_code_works_once(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    query = parse_qs(urlsplit(leaving.url).query)
    assert (query["code_challenge_method"], len(query["code_challenge"][0])) == (["S256"], 43)
    assert query["scope"] == ["profile"]
    back = await approve(leaving.url, town.away, "giulia")
    await town.come_back(visitor, back)
    with pytest.raises(NotFinishedHere):
        await town.come_back(visitor, back)
    [exchange] = [form for form in town.away.forms if form.get("grant_type")]
    assert len(exchange["code_verifier"]) >= 43
    assert exchange["redirect_uri"] == query["redirect_uri"][0]


@pytest.mark.parametrize("fault", [Response(status_code=500), Response(b"x" * 70_000), Response(b"<html>")])
async def test_a_broken_exchange_proves_nothing(town: Town, fault: Response) -> None:
    visitor = await town.bank.visit(town.slug)
    leaving = await town.leave(visitor)
    back = await approve(leaving.url, town.away, "giulia")
    town.away.faults = [fault]
    with pytest.raises((NotFinishedHere, SignInUnreachable)):
        await town.come_back(visitor, back)
    assert await visitor.state() == State.HANDLE_PENDING


async def test_what_a_flow_needs_of_its_server_is_sealed(town: Town) -> None:
    await town.leave(await town.bank.visit(town.slug))
    app = next(iter(town.away.apps.values()))
    for flow in await town.bank.all(Flow):
        assert app.secret.encode() not in flow.sealed_secrets
        assert b"social.localhost" not in flow.sealed_secrets


async def test_only_an_attempt_at_this_step_makes_us_call_anybody(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    await town.sign_in(visitor)
    before = list(town.away.seen)
    with pytest.raises(OutOfStep):
        await town.leave(visitor)
    assert town.away.seen == before


async def test_a_code_by_direct_message_proves_the_account_too(town: Town) -> None:
    visitor = await town.bank.visit(town.slug)
    asked = await handle_proof.request_handle(
        town.bank.services,
        town.bank.ports,
        session_id=visitor.session_id,
        slug=town.slug,
        connector="mastodon",
        account=town.named(),
        method="direct_message",
        network=HOME,
        language="it",
    )
    assert isinstance(asked, handle_proof.CodeRequested)
    await town.bank.work()
    [notification] = town.away.notifications
    assert notification.status is not None
    assert (notification.status.visibility, notification.status.mentions) == ("direct", [town.giulia])
    await visitor.type_handle_code(code_in(notification.status.text))
    assert await visitor.state() == State.HANDLE_OK
