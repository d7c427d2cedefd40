"""Sign-in by the AT Protocol's profile: who is right comes in, and no server speaks for an account that is not its own."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import JSONResponse, Response

from app.binding.errors import NotFinishedHere, SignInUnreachable
from app.binding.models import Flow
from app.binding.rules import State
from tests.app.binding.atproto_town import Sky, complaint_of
from tests.app.binding.bank import state_of
from tests.app.binding.outside import ISSUER
from tests.support.house import ON_SQLITE


async def test_the_account_that_complained_is_proved_at_its_own_server(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    await sky.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK
    assert sky.entry.seen[-2:] == ["/oauth/revoke 200", "/oauth/revoke 200"]


async def test_the_address_holds_a_pushed_request_and_nothing_else(sky: Sky) -> None:
    leaving = await sky.leave(await sky.bank.visit(sky.slug))
    assert leaving.host == urlsplit(sky.entry.issuer).netloc
    assert set(parse_qs(urlsplit(leaving.url).query)) == {"client_id", "request_uri"}
    [pushed] = sky.entry.requests.values()
    assert pushed.form["login_hint"] == sky.giulia.handle
    assert pushed.form["redirect_uri"] == "https://chat.bancaesempio.example/signin/bluesky/callback"
    assert "/oauth/par use_dpop_nonce" in sky.entry.seen


@ON_SQLITE
@pytest.mark.parametrize("account", ["GIULIA.test", " @giulia.test ", "at://giulia.test/", "did"])
async def test_an_account_is_named_by_handle_or_did(sky: Sky, account: str) -> None:
    visitor = await sky.bank.visit(sky.slug)
    await sky.sign_in(visitor, account=sky.giulia.did if account == "did" else account)
    assert await visitor.state() == State.HANDLE_OK


async def test_a_handle_that_only_dns_knows_is_found_by_the_resolver(sky: Sky) -> None:
    sky.ground.says["giulia.test/.well-known/atproto-did"] = Response("<html>", status_code=404)
    visitor = await sky.bank.visit(sky.slug)
    await sky.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK


async def test_a_did_of_the_web_and_a_server_that_is_its_own_authority(sky: Sky) -> None:
    solo = next(one for one in sky.ground.people.values() if one.did == "did:web:solo.test")
    visitor = await sky.bank.visit(await complaint_of(sky.bank.services, sky.connector, solo))
    await sky.sign_in(visitor, solo, "solo.test")
    assert await visitor.state() == State.HANDLE_OK
    assert sky.entry.seen == []


async def test_a_renamed_account_is_still_the_one_that_complained(sky: Sky) -> None:
    sky.giulia.handle = "giulia-nuova.test"
    visitor = await sky.bank.visit(sky.slug)
    await sky.sign_in(visitor, account="giulia-nuova.test")
    assert await visitor.state() == State.HANDLE_OK


# who must not come in


async def test_another_account_of_the_same_server_is_refused(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    with pytest.raises(NotFinishedHere):
        await sky.sign_in(visitor, sky.mallory)
    assert await sky.bank.reasons() == ["other_account"]
    assert await visitor.state() == State.HANDLE_PENDING


async def test_who_names_and_proves_an_account_of_their_own_is_refused(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    with pytest.raises(NotFinishedHere):
        await sky.sign_in(visitor, sky.mallory, "mallory.test")
    assert await sky.bank.reasons() == ["other_account"]
    assert await visitor.state() == State.REFUSED


async def test_who_took_over_a_freed_handle_is_somebody_else(sky: Sky) -> None:
    sky.giulia.handle, sky.mallory.handle = "giulia-nuova.test", "giulia.test"
    visitor = await sky.bank.visit(sky.slug)
    with pytest.raises(NotFinishedHere):
        await sky.sign_in(visitor, sky.mallory)
    assert await sky.bank.reasons() == ["other_account"]


async def test_a_server_cannot_claim_an_account_whose_did_leads_elsewhere(sky: Sky) -> None:
    hostile = sky.ground.authorities["own.test"]
    hostile.tokens_say = {"sub": sky.giulia.did}
    theirs = next(one for one in sky.ground.people.values() if one.handle == "elsewhere.test")
    visitor = await sky.bank.visit(sky.slug)
    with pytest.raises(NotFinishedHere):
        await sky.sign_in(visitor, theirs, "elsewhere.test")
    assert await sky.bank.reasons() == ["server_of_another_account"]
    assert hostile.tokens == {}


async def test_an_account_that_moved_meanwhile_is_proved_by_its_new_server_only(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    leaving = await sky.leave(visitor)
    sky.giulia.pds = "own.test"
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, sky.ground.approve(leaving.url, sky.giulia))
    assert await sky.bank.reasons() == ["server_of_another_account"]
    assert sky.entry.tokens == {}
    await sky.sign_in(visitor)
    assert await visitor.state() == State.HANDLE_OK


async def test_a_callback_in_a_foreign_browser_proves_nothing_to_anybody(sky: Sky) -> None:
    victim, attacker = await sky.bank.visit(sky.slug), await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(attacker)).url, sky.giulia)
    before = list(sky.entry.seen)
    for browser in (victim, attacker):
        with pytest.raises(NotFinishedHere):
            await sky.come_back(browser, back)
    assert await sky.bank.reasons() == ["foreign_browser", "replayed"]
    assert sky.entry.seen == before


async def test_a_callback_counts_once(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    await sky.come_back(visitor, back)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, back)
    assert await sky.bank.reasons() == ["replayed"]


async def test_of_two_returns_at_once_one_counts(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    ended = await asyncio.gather(*(sky.come_back(visitor, back) for _ in range(4)), return_exceptions=True)
    assert [type(one) for one in ended].count(NotFinishedHere) == 3
    assert await visitor.state() == State.HANDLE_OK


@ON_SQLITE
@pytest.mark.parametrize("said", ["https://evil.example", "", None, "http://own.test"])
async def test_a_callback_with_a_wrong_or_missing_issuer_asks_nobody(sky: Sky, said: str | None) -> None:
    visitor = await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    before = list(sky.entry.seen)
    if said is None:
        del back["iss"]
    else:
        back["iss"] = said
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, back)
    assert sky.entry.seen == before
    assert await sky.bank.reasons() == ["wrong_issuer"]


async def test_an_answer_of_another_network_is_not_taken_here(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    leaving = await sky.leave(visitor)
    back = sky.ground.approve(leaving.url, sky.giulia)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, back, connector="square")
    elsewhere = await sky.bank.visit(await sky.bank.complaint())
    theirs = await elsewhere.leave_for_square()
    with pytest.raises(NotFinishedHere):
        await sky.come_back(elsewhere, {"state": state_of(theirs), "code": "code-of-giulia", "iss": ISSUER})
    assert await sky.bank.reasons() == ["other_provider", "other_provider"]
    assert sky.bank.sign_in.finished == []


async def test_a_return_after_ten_minutes_is_too_late(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    sky.bank.clock.pass_by(minutes=10)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, back)
    assert await sky.bank.reasons() == ["too_late"]


async def test_a_return_for_a_question_of_before_is_over(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    first = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    await sky.leave(visitor)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, first)
    assert await sky.bank.reasons() == ["moved_on"]


async def test_who_says_no_at_the_network_has_proved_nothing(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    back = sky.ground.approve((await sky.leave(visitor)).url, sky.giulia)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, {"state": back["state"], "iss": back["iss"]})
    assert await sky.bank.reasons() == ["denied_there"]


async def test_a_code_of_one_sign_in_is_of_no_use_in_another(sky: Sky) -> None:
    attacker, victim = await sky.bank.visit(sky.slug), await sky.bank.visit(sky.slug)
    own = sky.ground.approve((await sky.leave(attacker)).url, sky.mallory)
    stolen = sky.ground.approve((await sky.leave(victim)).url, sky.giulia)
    with pytest.raises(NotFinishedHere):
        await sky.come_back(attacker, own | {"code": stolen["code"]})
    assert await sky.bank.reasons() == ["code_refused"]


# answers that are not what was asked for


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"scope": "transition:generic"}, "scope_not_granted"),
        ({"sub": "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"}, "nobody_named"),
        ({"token_type": "Bearer"}, "token_not_bound"),
    ],
)
async def test_tokens_that_are_not_of_the_profile_prove_nothing(sky: Sky, said: dict[str, object], reason: str) -> None:
    sky.entry.tokens_say = said
    visitor = await sky.bank.visit(sky.slug)
    with pytest.raises(NotFinishedHere):
        await sky.sign_in(visitor)
    assert await sky.bank.reasons() == [reason]
    assert await visitor.state() == State.HANDLE_PENDING


async def test_a_server_that_gives_no_nonces_proves_nothing(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    leaving = await sky.leave(visitor)
    sky.entry.quirks = {"no_nonces"}
    with pytest.raises(NotFinishedHere):
        await sky.come_back(visitor, sky.ground.approve(leaving.url, sky.giulia))
    assert await sky.bank.reasons() == ["no_nonce"]


async def test_a_new_nonce_between_leaving_and_coming_back_is_taken_up(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    leaving = await sky.leave(visitor)
    sky.entry.new_nonce()
    await sky.come_back(visitor, sky.ground.approve(leaving.url, sky.giulia))
    assert await visitor.state() == State.HANDLE_OK


async def test_a_server_out_of_reach_holds_nothing_against_the_visitor(sky: Sky) -> None:
    visitor = await sky.bank.visit(sky.slug)
    leaving = await sky.leave(visitor)
    sky.ground.says["entry.test/oauth/token"] = JSONResponse({}, 503)
    with pytest.raises(SignInUnreachable):
        await sky.come_back(visitor, sky.ground.approve(leaving.url, sky.giulia))
    assert await sky.bank.reasons() == ["unreachable"]
    assert await visitor.state() == State.HANDLE_PENDING


async def test_what_a_flow_needs_is_sealed_and_its_key_is_its_own(sky: Sky) -> None:
    for _ in range(2):
        await sky.leave(await sky.bank.visit(sky.slug))
    for flow in await sky.bank.all(Flow):
        assert sky.giulia.did.encode() not in flow.sealed_secrets
    assert len({one.jkt for one in sky.entry.requests.values()}) == 2
