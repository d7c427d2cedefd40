"""An OpenID Provider that lies, by every part of its answer: nobody comes in, and the leaf alone says why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from app.binding import identity_proof, step_up
from app.binding.errors import NotFinishedHere, SignInUnreachable
from app.binding.identity_provider import OfferedProvider
from app.binding.models import Flow
from app.binding.openid_provider import OpenIdProvider
from app.binding.rules import State
from app.channels.ports import State as Standing
from app.directory.port import IdentifierKind
from app.permissions import Level
from security.jwts import SigningKey
from tests.app.binding.bank import Bank, Visitor, bound_by_sms, customer_of
from tests.support.house import ON_SQLITE
from tests.support.scripted_openid import ACCESS_TOKEN, ISSUER, OUR_KEY, ScriptedProvider, answer, metadata, read

pytestmark = ON_SQLITE
ACRS: Final = {"high": Level.L3, "higher": Level.L4}


def install(bank: Bank, provider: ScriptedProvider, **how: Any) -> OpenIdProvider:
    """Make it the bank's only identity provider, under the name `id`."""
    port = OpenIdProvider("id", provider.client(), ACRS, **how)
    offered = OfferedProvider("id", "Identity", port, ACRS, look=port.look, public_key=OUR_KEY.public_jwk())
    bank.ports = replace(bank.ports, providers=(offered,))
    bank.directory.named |= {"id:u-1": "C-1001", "id:u-2": "C-1002", "TINIT-X1": "C-1001"}
    provider.at = bank.clock()
    return port


def asked_of(provider: ScriptedProvider) -> dict[str, Any]:
    """What the newest pushed request asked for."""
    return read(provider.to("/par")[-1].form["request"])


async def visiting(bank: Bank) -> Visitor:
    visitor = await bank.visit(await bank.complaint())
    await visitor.sign_in()
    return visitor


async def leave(bank: Bank, visitor: Visitor, provider: ScriptedProvider) -> dict[str, Any]:
    """Off to the provider; gives what it was asked for, and has it answer that."""
    await identity_proof.begin_identity(
        bank.services, bank.ports, session_id=visitor.session_id, slug=visitor.slug, provider="id"
    )
    asked = asked_of(provider)
    provider.nonce = asked["nonce"]
    return asked


async def come_back(
    bank: Bank, visitor: Visitor, asked: dict[str, Any], *, code: str | None = "c", issuer: str | None = ISSUER
) -> identity_proof.IdentityFinished:
    return await identity_proof.finish_identity(
        bank.services,
        bank.ports,
        provider="id",
        session_id=visitor.session_id,
        state=asked["state"],
        code=code,
        issuer=issuer,
    )


async def identified(bank: Bank, provider: ScriptedProvider, **how: Any) -> identity_proof.IdentityFinished:
    visitor = await visiting(bank)
    asked = await leave(bank, visitor, provider)
    return await come_back(bank, visitor, asked, **how)


async def test_a_right_answer_names_the_customer_by_its_own_subject(bank: Bank) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    assert (await identified(bank, provider)).level == Level.L3
    assert bank.directory.asked == ["id:u-1"]
    assert [one.form["token"] for one in provider.to("/revoke")] == [ACCESS_TOKEN]


async def test_a_claim_of_userinfo_may_name_the_customer(bank: Bank) -> None:
    provider = ScriptedProvider(told={"fiscal": "TINIT-X1"}, signs_userinfo=True)
    install(bank, provider, claim="fiscal", kind=IdentifierKind.FISCAL_CODE, from_userinfo=True)
    assert (await identified(bank, provider)).level == Level.L3
    assert bank.directory.asked == ["TINIT-X1"]
    assert asked_of(provider)["claims"]["userinfo"] == {"fiscal": {"essential": True}}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "of-another"}, "token_nonce"),
        ({"nonce": None}, "token_incomplete"),
        ({"iss": "https://other.example"}, "token_issuer"),
        ({"aud": "other"}, "token_audience"),
        ({"aud": ["riserbo", "other"]}, "token_audience"),
        ({"azp": "other"}, "token_party"),
        ({"exp": 1}, "token_expired"),
        ({"iat": 1}, "token_too_old"),
        ({"auth_time": 1}, "token_stale_sign_in"),
        ({"auth_time": None}, "token_stale_sign_in"),
        ({"at_hash": "A" * 22}, "token_at_hash"),
        ({"sub": None}, "token_incomplete"),
        ({"acr": ["high"]}, "token_acr"),
        ({"sub": "u-9"}, "unknown_customer"),
    ],
)
async def test_an_id_token_of_another_sign_in_proves_nothing(bank: Bank, claims: dict[str, Any], reason: str) -> None:
    provider = ScriptedProvider(claims=claims)
    install(bank, provider)
    with pytest.raises(NotFinishedHere):
        await identified(bank, provider)
    assert await bank.reasons() == [reason]
    assert [one.form["token"] for one in provider.to("/revoke")] == [ACCESS_TOKEN]


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ({"token_type": "Bearer"}, "token_not_bound"),
        ({"id_token": None}, "no_id_token"),
        ({"id_token": "no.token.atall"}, "token_malformed"),
        ({"id_token": SigningKey.new().sign({"iss": ISSUER}, typ="JWT")}, "token_unknown_signer"),
    ],
)
async def test_tokens_that_were_not_promised_prove_nothing(bank: Bank, tokens: dict[str, Any], reason: str) -> None:
    provider = ScriptedProvider(tokens=tokens)
    install(bank, provider)
    with pytest.raises(NotFinishedHere):
        await identified(bank, provider)
    assert await bank.reasons() == [reason]


@pytest.mark.parametrize(
    ("told", "reason"),
    [({"sub": "u-2"}, "other_subject"), ({"sub": None}, "other_subject"), ({"customer": None}, "customer_not_named"),
     ({"customer": 7}, "customer_not_named"), ({"customer": "x" * 301}, "customer_not_named"),
     ({"customer": "C-9999"}, "unknown_customer")],
)  # fmt: skip
async def test_userinfo_about_somebody_else_proves_nothing(bank: Bank, told: dict[str, Any], reason: str) -> None:
    provider = ScriptedProvider(told=told)
    install(bank, provider, claim="customer", kind=IdentifierKind.NUMBER, from_userinfo=True)
    with pytest.raises(NotFinishedHere):
        await identified(bank, provider)
    assert await bank.reasons() == [reason]
    assert len(provider.to("/revoke")) == 1


@pytest.mark.parametrize(
    ("issuer", "reason"), [(None, "issuer_missing"), ("https://other.example", "wrong_issuer"), ("", "wrong_issuer")]
)
async def test_a_callback_in_another_name_is_refused_before_its_code_is_used(
    bank: Bank, issuer: str | None, reason: str
) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    with pytest.raises(NotFinishedHere):
        await identified(bank, provider, issuer=issuer)
    assert await bank.reasons() == [reason]
    assert provider.to("/token") == []


async def test_a_provider_that_never_names_itself_need_not(bank: Bank) -> None:
    provider = ScriptedProvider(metadata(authorization_response_iss_parameter_supported=None))
    install(bank, provider)
    assert await identified(bank, provider, issuer=None)


@pytest.mark.parametrize("code", [None, ""])
async def test_a_callback_without_a_code_is_a_refusal_there(bank: Bank, code: str | None) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    with pytest.raises(NotFinishedHere):
        await identified(bank, provider, code=code)
    assert await bank.reasons() == ["denied_there"]


@pytest.mark.parametrize(("acr", "level"), [("high", 3), ("higher", 4), ("low", 2), ("HIGH", 2), (None, 2), ("", 2)])
async def test_an_unlisted_or_absent_acr_is_the_weakest(bank: Bank, acr: str | None, level: int) -> None:
    provider = ScriptedProvider(claims={"acr": acr})
    install(bank, provider)
    assert (await identified(bank, provider)).level == level


async def test_a_provider_that_never_says_when_is_not_asked(bank: Bank) -> None:
    provider = ScriptedProvider(claims={"auth_time": None})
    install(bank, provider, tells_when=False, prompt="consent login")
    assert await identified(bank, provider)
    assert asked_of(provider)["prompt"] == "consent login"
    assert "max_age" not in asked_of(provider)


async def test_the_sign_in_must_follow_the_leaving(bank: Bank) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    visitor = await visiting(bank)
    asked = await leave(bank, visitor, provider)
    assert (asked["max_age"], asked["prompt"]) == (0, "login")
    provider.claims["auth_time"] = int((bank.clock() - timedelta(minutes=2)).timestamp())
    bank.clock.pass_by(seconds=20)
    with pytest.raises(NotFinishedHere):
        await come_back(bank, visitor, asked)
    assert await bank.reasons() == ["token_stale_sign_in"]


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/par"])
async def test_a_provider_out_of_reach_leaves_every_way_open(bank: Bank, path: str) -> None:
    provider = ScriptedProvider(down={path})
    install(bank, provider)
    visitor = await visiting(bank)
    with pytest.raises(SignInUnreachable):
        await leave(bank, visitor, provider)
    assert await bank.reasons() == ["unreachable"]
    assert await visitor.state() == State.CUSTOMER_PENDING
    provider.down.clear()
    assert await come_back(bank, visitor, await leave(bank, visitor, provider))


async def test_a_request_that_the_provider_refuses_says_why_in_the_leaf_only(bank: Bank) -> None:
    provider = ScriptedProvider(faults={"/par": answer({"error": "invalid_request"}, 400)})
    install(bank, provider)
    visitor = await visiting(bank)
    with pytest.raises(SignInUnreachable):
        await leave(bank, visitor, provider)
    assert await bank.reasons() == ["request_refused"]


@pytest.mark.parametrize("path", ["/token", "/me"])
async def test_a_provider_that_goes_away_on_the_return_is_nobodys_fault(bank: Bank, path: str) -> None:
    provider = ScriptedProvider(down={path})
    install(bank, provider, claim="customer", kind=IdentifierKind.NUMBER, from_userinfo=True)
    with pytest.raises(SignInUnreachable):
        await identified(bank, provider)
    assert await bank.reasons() == ["unreachable"]


async def test_the_redirect_is_committed_before_the_provider_hears_of_it(bank: Bank) -> None:
    """A provider that never answers holds no transaction open, and a browser that already left finds its row."""
    provider = ScriptedProvider()
    install(bank, provider)
    visitor = await visiting(bank)
    reached, go_on = asyncio.Event(), asyncio.Event()
    asking = provider.request

    async def slow(*address: str, **content: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await asking(*address, **content)

    provider.request = slow  # type: ignore[method-assign]
    leaving = asyncio.create_task(leave(bank, visitor, provider))
    async with asyncio.timeout(20):
        await reached.wait()
        assert len(await bank.all(Flow)) == 2  # the sign-in's and this one
        assert await visitor.state() == State.CUSTOMER_PENDING
        await bank.complaint("marco")  # somebody else's write goes through meanwhile
        go_on.set()
        assert await leaving


async def test_each_redirect_has_a_key_of_its_own_that_lies_sealed(bank: Bank) -> None:
    provider = ScriptedProvider()
    port = install(bank, provider)
    visitor = await visiting(bank)
    first = await leave(bank, visitor, provider)
    second = await leave(bank, visitor, provider)
    assert first["dpop_jkt"] != second["dpop_jkt"]
    private = json.loads(port.prepare()["dpop"])["d"]
    assert private
    for flow in await bank.all(Flow):
        assert b'"d"' not in flow.sealed_secrets


async def test_a_step_up_asks_only_for_more_and_takes_nothing_less(bank: Bank) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    bound = await bound_by_sms(bank)

    async def step(acr: str | None, sub: str = "u-1") -> identity_proof.IdentityFinished:
        provider.claims = {"acr": acr, "sub": sub}
        await step_up.begin_step_up(bank.services, bank.ports, customer=customer_of(bound), provider="id")
        asked = asked_of(provider)
        assert asked["acr_values"] == "high higher"
        provider.nonce, provider.at = asked["nonce"], bank.clock()
        return await identity_proof.finish_identity(
            bank.services,
            bank.ports,
            provider="id",
            session_id=bound.session_id,
            state=asked["state"],
            code="c",
            issuer=ISSUER,
        )

    for acr, sub, reason in (
        (None, "u-1", "no_higher_level"),
        ("low", "u-1", "no_higher_level"),
        ("high", "u-2", "other_customer"),
    ):
        with pytest.raises(NotFinishedHere):
            await step(acr, sub)
        assert (await bank.reasons())[-1] == reason
    assert (await step("high")).level == Level.L3


async def test_the_weakest_that_is_enough_is_asked_for_first(bank: Bank) -> None:
    provider = ScriptedProvider()
    install(bank, provider)
    asked = await leave(bank, await visiting(bank), provider)
    assert asked["acr_values"] == "high higher"
    assert asked["redirect_uri"] == f"{bank.ports.public_url}/identity/id/callback"


async def test_a_look_says_what_the_provider_lacks(bank: Bank) -> None:
    lacking = metadata(pushed_authorization_request_endpoint=None, dpop_signing_alg_values_supported=None)
    for provider, states in (
        (ScriptedProvider(), [Standing.RIGHT]),
        (ScriptedProvider(lacking), [Standing.RIGHT, Standing.ODD, Standing.ODD]),
        (ScriptedProvider(metadata(issuer="https://other.example")), [Standing.WRONG]),
        (ScriptedProvider(down={"/jwks"}), [Standing.WRONG]),
    ):
        port = install(bank, provider)
        assert [remark.state for remark in await port.look(bank.clock())] == states


async def test_our_public_keys_are_listed_once(bank: Bank) -> None:
    install(bank, ScriptedProvider())
    twice = replace(bank.ports, providers=bank.ports.providers * 2)
    assert twice.client_keys() == [OUR_KEY.public_jwk()]
