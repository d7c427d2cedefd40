"""What a presentation must not do: count in another browser, for another question, twice, or without coming back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jwcrypto.jwk import JWK

from app.binding import known_customers, sweeping
from app.binding.errors import NotFinishedHere, SignInUnreachable
from app.binding.rules import State
from app.binding.wallet_answers import UNKNOWN
from app.outbound import OutboundFailed
from app.permissions import Level
from security.certificates import x5c_of
from security.jwts import SigningKey
from security.sd_jwt import TrustedIssuer
from security.tokens import new_token
from tests.app.binding.bank import START, Bank, Visitor
from tests.app.binding.wallets import (
    CLIENT_ID,
    GIULIAS,
    HOST,
    MARCOS,
    NAME,
    Wallets,
    access_certificate,
    open_wallets,
)
from tests.support.certificates import root
from tests.support.house import ON_SQLITE
from tests.support.wallet import NUMBER, VCT, PidIssuer, WalletRefuses


@pytest.fixture
async def wallets(bank: Bank) -> AsyncIterator[Wallets]:
    async with open_wallets(bank) as opened:
        yield opened


async def answered(wallets: Wallets, visitor: Visitor, number: str = GIULIAS) -> str:
    """The wallet has answered; gives what its browser must open."""
    return await wallets.of(number).answer((await wallets.leave(visitor)).url)


@pytest.mark.parametrize("knows_nobody", [False, True])
async def test_a_code_counts_in_its_own_browser_only_and_is_over_in_another(
    wallets: Wallets, knows_nobody: bool
) -> None:
    """The redirect is over, not the attempt: the owner's next one counts."""
    slug = await wallets.bank.complaint()
    owner, foreign = await wallets.visitor(slug=slug), await wallets.visitor(slug=slug)
    back = await answered(wallets, owner)
    with pytest.raises(NotFinishedHere):
        await wallets.open(None if knows_nobody else foreign.session_id, back)
    assert (await wallets.bank.reasons())[-1] == "foreign_browser"
    assert (await foreign.state(), await owner.state()) == (State.HANDLE_OK, State.CUSTOMER_PENDING)
    assert await wallets.refused(owner, back) == "replayed"
    assert (await wallets.open(owner.session_id, await answered(wallets, owner))).level == Level.L4


@pytest.mark.parametrize("guess", [None, "A" * 43])
async def test_who_has_a_victims_wallet_answer_cannot_finish_himself(wallets: Wallets, guess: str | None) -> None:
    """The attacker begins at his own case and gets the victim to open the link; the code goes to the victim's browser."""
    attacker = await wallets.visitor("mallory")
    leaving = await wallets.leave(attacker)
    back = await wallets.of().answer(leaving.url)
    state = parse_qs(urlsplit(back).query)["state"][0]
    mine = f"https://{HOST}/?state={state}" + (f"&code={guess}" if guess else "")
    assert await wallets.refused(attacker, mine) == ("wrong_response_code" if guess else "denied_there")
    assert await wallets.refused(attacker, back) == "replayed"
    assert await wallets.bank.bindings() == []


async def test_an_answer_that_the_victims_browser_opened_is_over_for_who_made_her_give_it(wallets: Wallets) -> None:
    """He cannot talk her into handing on the address that came back."""
    attacker, victim = await wallets.visitor("mallory"), await wallets.visitor("giulia")
    back = await wallets.of().answer((await wallets.leave(attacker)).url)
    assert await wallets.refused(victim, back) == "foreign_browser"
    assert await wallets.refused(attacker, back) == "replayed"
    assert await wallets.bank.bindings() == []


async def test_an_answer_counts_once(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await answered(wallets, visitor)
    await wallets.open(visitor.session_id, back)
    assert await wallets.refused(visitor, back) == "replayed"


async def test_an_answer_without_its_browsers_return_is_nothing_and_is_forgotten(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    await answered(wallets, visitor)
    assert await visitor.state() == State.CUSTOMER_PENDING
    (kept,) = await wallets.kept()
    assert GIULIAS.encode() not in kept.sealed_answer
    assert b"response" not in kept.sealed_answer
    wallets.bank.clock.pass_by(minutes=11)
    await sweeping.sweep(wallets.bank.services)
    assert await wallets.kept() == []
    assert await wallets.bank.bindings() == []


async def test_a_return_without_an_answer_is_nothing(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    asked = await wallets.of().read((await wallets.leave(visitor)).url)
    state = asked["response_uri"].rpartition("/")[2]
    assert await wallets.refused(visitor, f"https://{HOST}/?state={state}&code=x") == "nothing_posted"


async def test_an_answer_that_comes_too_late_is_nothing(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await answered(wallets, visitor)
    wallets.bank.clock.pass_by(minutes=11)
    assert await wallets.refused(visitor, back) == "too_late"


async def test_the_first_answer_stands_and_the_second_learns_nothing(wallets: Wallets) -> None:
    """Somebody who saw the link answers after the owner, with a wallet of his own."""
    visitor = await wallets.visitor()
    link = (await wallets.leave(visitor)).url
    back = await wallets.of().answer(link)
    others = [await wallets.of(MARCOS).answer(link) for _ in range(3)]
    assert [urlsplit(one).path for one in others] == [urlsplit(back).path] * 3
    assert (await wallets.bank.reasons()) == ["answered_twice"]
    await wallets.open(visitor.session_id, back)
    (attempt,) = await wallets.bank.leaves("customer.proved")
    assert attempt["data"]["level"] == 4
    assert (await visitor.confirm()).level == Level.L4
    (binding,) = await wallets.bank.bindings()
    assert (await known_customers.of_binding(wallets.bank.services, binding)).customer_number == "C-1001"


async def test_a_second_answers_code_does_not_open_the_first_ones_answer(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    link = (await wallets.leave(visitor)).url
    await wallets.of(MARCOS).answer(link)
    late = await wallets.of().answer(link)
    assert await wallets.refused(visitor, late) == "wrong_response_code"


async def test_of_two_answers_at_once_one_stands(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    link = (await wallets.leave(visitor)).url
    backs = await asyncio.gather(*(wallets.of().answer(link) for _ in range(4)))
    assert len(await wallets.kept()) == 1
    assert len(set(backs)) == 4


async def test_a_presentation_for_another_question_is_refused(wallets: Wallets) -> None:
    """A verifier elsewhere, or an older attempt, got a true presentation; it is worth nothing in this one."""
    slug = await wallets.bank.complaint()
    first, second = await wallets.visitor(slug=slug), await wallets.visitor(slug=slug)
    wallet = wallets.of()
    asked = [await wallet.read((await wallets.leave(one)).url) for one in (first, second)]
    shown = wallet.shown(asked[0], [NUMBER])
    back = await wallet.post(asked[1], {"response": wallet.encrypted(asked[1], shown)})
    assert await wallets.refused(second, back) == "wallet_nonce"


async def test_an_answer_of_another_attempt_is_refused(wallets: Wallets) -> None:
    slug = await wallets.bank.complaint()
    first, second = await wallets.visitor(slug=slug), await wallets.visitor(slug=slug)
    wallet = wallets.of()
    asked = [await wallet.read((await wallets.leave(one)).url) for one in (first, second)]
    text = wallet.encrypted(asked[0], wallet.shown(asked[0], [NUMBER]))
    assert await wallets.refused(second, await wallet.post(asked[1], {"response": text})) == "wallet_other_key"


async def test_an_attempt_that_went_another_way_meanwhile_is_not_finished(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await answered(wallets, visitor)
    await visitor.ask_code(work=False)
    assert await wallets.refused(visitor, back) == "moved_on"


# the other forms stand in tests/app/binding/forged_wallet_answers.py
@ON_SQLITE
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (lambda _: {"state": "another"}, "wallet_other_request"),
        (lambda shown: {"vp_token": {"pid": [shown, shown]}}, "wallet_no_presentation"),
        (lambda _: {"vp_token": {"pid": ["text"]}}, "wallet_unbound"),
    ],
)
async def test_an_answer_of_another_form_is_refused(wallets: Wallets, changes: Any, reason: str) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    asked = await wallet.read((await wallets.leave(visitor)).url)
    shown = wallet.shown(asked, [NUMBER])
    back = await wallet.post(asked, {"response": wallet.encrypted(asked, shown, **changes(shown))})
    assert await wallets.refused(visitor, back) == reason


@ON_SQLITE
async def test_an_answer_that_is_not_encrypted_is_refused(wallets: Wallets) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    asked = await wallet.read((await wallets.leave(visitor)).url)
    plain = json.dumps({"vp_token": {"pid": [wallet.shown(asked, [NUMBER])]}, "state": asked["state"]})
    assert await wallets.refused(visitor, await wallet.post(asked, {"response": plain})) == "wallet_not_encrypted"


async def test_a_credential_that_was_copied_out_of_its_wallet_is_refused(wallets: Wallets) -> None:
    visitor, thief = await wallets.visitor(), wallets.of()
    thief.key = JWK.generate(kty="EC", crv="P-256")
    back = await thief.answer((await wallets.leave(visitor)).url)
    assert await wallets.refused(visitor, back) == "wallet_signature"


@ON_SQLITE
async def test_credentials_that_do_not_count_are_refused(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    now = int(wallets.bank.clock().timestamp())
    impostor = PidIssuer(START)
    cases = {
        "wallet_issuer": wallets.of(issuer=PidIssuer(START, "https://pid.attacker.example")),
        "wallet_chain": wallets.of(issuer=impostor),
        "wallet_vct": wallets.of(vct="urn:eudi:mdl:1"),
        "wallet_expired": wallets.of(exp=now - 60),
        "wallet_not_yet": wallets.of(nbf=now + 3600),
    }
    for reason, wallet in cases.items():
        assert await wallets.refused(visitor, await wallet.answer((await wallets.leave(visitor)).url)) == reason


async def test_who_keeps_the_number_back_is_nobody(wallets: Wallets) -> None:
    visitor = await wallets.visitor()
    back = await wallets.of().answer((await wallets.leave(visitor)).url, tell=["family_name"])
    assert await wallets.refused(visitor, back) == "customer_not_named"


class Status:
    """Whoever knows what has been withdrawn."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, object]] = []

    async def is_withdrawn(self, issuer: TrustedIssuer, status: object, now: datetime) -> bool:
        del now
        self.asked.append((issuer.issuer, status))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_withdrawn_credential_is_refused_where_that_can_be_asked(wallets: Wallets) -> None:
    where = {"status_list": {"idx": 7, "uri": "https://pid.example/status"}}
    status = Status(answer=True)
    wallets.offer(replace(wallets.provider, status=status), {VCT: Level.L4})
    visitor = await wallets.visitor()
    wallet = wallets.of(status=where)
    assert await wallets.refused(visitor, await wallet.answer((await wallets.leave(visitor)).url)) == "wallet_withdrawn"
    assert status.asked == [(wallets.issuer.url, where)]
    status.answer = OutboundFailed("down")
    back = await wallet.answer((await wallets.leave(visitor)).url)
    with pytest.raises(SignInUnreachable):
        await wallets.open(visitor.session_id, back)
    status.answer = False
    back = await wallet.answer((await wallets.leave(visitor)).url)
    assert (await wallets.open(visitor.session_id, back)).level == Level.L4


async def test_a_credential_that_lives_long_must_say_where_its_standing_can_be_asked(wallets: Wallets) -> None:
    status = Status(answer=False)
    wallets.offer(replace(wallets.provider, status=status), {VCT: Level.L4})
    visitor = await wallets.visitor()
    assert await wallets.refused(visitor, await answered(wallets, visitor)) == "wallet_without_status"
    tomorrow = int((wallets.bank.clock() + timedelta(hours=23)).timestamp())
    back = await wallets.of(exp=tomorrow).answer((await wallets.leave(visitor)).url)
    assert (await wallets.open(visitor.session_id, back)).level == Level.L4
    assert status.asked == []


async def test_an_address_that_leads_nowhere_answers_like_any_other(wallets: Wallets) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    asked = await wallet.read((await wallets.leave(visitor)).url)
    nowhere = f"https://{HOST}/wallet/{NAME}/response/{new_token()}"
    back = await wallet.post({"response_uri": nowhere}, {"response": "x"})
    known = await wallet.post(asked, {"response": "x"})
    assert [len(one) for one in (back, known)] == [len(known)] * 2
    assert wallets.bank.services.traffic[UNKNOWN] == 1
    assert len(await wallets.kept()) == 1
    with pytest.raises(NotFinishedHere):
        await wallets.open(visitor.session_id, back)


async def test_a_request_is_gone_once_its_browser_came_back_or_time_is_over(wallets: Wallets) -> None:
    visitor, wallet = await wallets.visitor(), wallets.of()
    link = (await wallets.leave(visitor)).url
    await wallets.open(visitor.session_id, await wallet.answer(link))
    with pytest.raises(WalletRefuses, match="no request"):
        await wallet.read(link)
    second = (await wallets.leave(await wallets.visitor())).url
    wallets.bank.clock.pass_by(minutes=11)
    with pytest.raises(WalletRefuses, match="no request"):
        await wallet.read(second)


@ON_SQLITE
async def test_the_door_reads_little_and_only_forms(wallets: Wallets) -> None:
    address = f"/wallet/{NAME}/response/{new_token()}"
    for sent in ({"json": {"response": "x"}}, {"data": {"other": "x"}}, {"data": {"response": ""}}):
        assert (await wallets.web.post(address, **sent)).status_code in (400, 415)
    assert (await wallets.web.post(f"/wallet/{NAME}/response/short", data={"response": "x"})).status_code == 422
    answer = await wallets.web.post(address, data={"error": "x" * 500})
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)


@ON_SQLITE
async def test_a_wallet_refuses_who_is_not_who_he_says(wallets: Wallets) -> None:
    """The test wallet does what a wallet must; without that, it would prove nothing about our requests."""
    wallet = wallets.of()
    link = (await wallets.leave(await wallets.visitor())).url
    ours = wallets.provider
    stranger = root(START)
    key = SigningKey.new()
    asked = await wallet.read(link)

    def signed(by: SigningKey, chain: Any, **changes: Any) -> str:
        provider = replace(ours, key=by, chain=chain)
        return provider.key.sign({**asked, **changes}, typ="oauth-authz-req+jwt", header={"x5c": x5c_of(chain)})

    tricks = {
        "nobody known": (signed(key, [access_certificate(stranger, key, START)]), CLIENT_ID),
        "not signed": (signed(key, ours.chain), CLIENT_ID),
        "somebody else": (signed(ours.key, ours.chain, client_id="x509_san_dns:shop.example"), CLIENT_ID),
        "somebody else asks": (
            signed(ours.key, ours.chain, client_id="x509_san_dns:shop.example"),
            "x509_san_dns:shop.example",
        ),
        "elsewhere": (signed(ours.key, ours.chain, response_uri="https://attacker.example/"), CLIENT_ID),
        "too late": (signed(ours.key, ours.chain, exp=int(START.timestamp()) - 1), CLIENT_ID),
        "not a way": (signed(ours.key, ours.chain, response_mode="direct_post"), CLIENT_ID),
    }
    for reason, (text, client_id) in tricks.items():
        with pytest.raises(WalletRefuses, match=reason):
            wallet.checked(text, client_id)
    with pytest.raises(WalletRefuses, match="not signed"):
        await wallet.read(f"openid4vp://?client_id={CLIENT_ID}&nonce=x")
