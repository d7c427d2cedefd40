"""Each request is as strong as the server can take it, and each answer is read with suspicion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from app.oauth.client import OAuthClient, Tokens
from app.oauth.errors import OAuthRefused
from app.oauth.requests import AuthorizationWish
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient, OutboundError, OutboundFailed, OutboundResponse
from security.dpop import verify_proof
from security.jwts import Expected, SigningKey, VerificationKeys, verify
from tests.support.scripted_openid import (
    ACCESS_TOKEN,
    CLIENT,
    ISSUER,
    NOW,
    OUR_KEY,
    ScriptedProvider,
    answer,
    metadata,
    read,
)

BACK: Final = "https://chat.example/identity/x/callback"
BOUND: Final = SigningKey.new()
OURS: Final = VerificationKeys.of_jwks({"keys": [OUR_KEY.public_jwk()]})
WISH: Final = AuthorizationWish(BACK, "the-state", "the-nonce", "the-challenge", acrs=("high",), jkt=BOUND.kid)
MINUTE: Final = timedelta(seconds=60)


def query(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def redeemed(provider: ScriptedProvider, client: OAuthClient | None = None) -> Tokens:
    return await (client or provider.client()).redeem(
        "the-code", code_verifier="the-verifier", redirect_uri=BACK, bound_to=BOUND, now=NOW
    )


async def test_a_pushed_request_leaves_nothing_in_the_browsers_address() -> None:
    provider = ScriptedProvider()
    address = await provider.client().leave(WISH, NOW)
    assert address.startswith(f"{ISSUER}/auth?")
    assert query(address) == {"client_id": CLIENT, "request_uri": "urn:request:1"}


async def test_a_signed_request_says_everything_to_this_issuer_for_a_minute() -> None:
    provider = ScriptedProvider()
    await provider.client().leave(WISH, NOW)
    form = provider.to("/par")[0].form
    assert "state" not in form
    expected = Expected(CLIENT, ISSUER, ("oauth-authz-req+jwt",), required=("iat", "jti", "nbf"), longest=MINUTE)
    claims = verify(form["request"], OURS, expected, NOW)
    asked = {name: claims[name] for name in ("state", "nonce", "redirect_uri", "response_type", "response_mode")}
    assert asked == {
        "state": "the-state", "nonce": "the-nonce", "redirect_uri": BACK, "response_type": "code", "response_mode": "query",
    }  # fmt: skip
    assert (claims["code_challenge"], claims["code_challenge_method"]) == ("the-challenge", "S256")
    assert (claims["max_age"], claims["prompt"], claims["acr_values"], claims["dpop_jkt"]) == (
        0,
        "login",
        "high",
        BOUND.kid,
    )


async def test_who_we_are_is_said_to_the_issuer_alone_and_once() -> None:
    provider = ScriptedProvider()
    client = provider.client()
    for _ in range(2):
        await client.leave(WISH, NOW)
    expected = Expected(CLIENT, ISSUER, ("jwt",), required=("iat", "jti", "sub"), longest=MINUTE, plain_audience=True)
    seen = [verify(one.form["client_assertion"], OURS, expected, NOW) for one in provider.to("/par")]
    assert seen[0]["jti"] != seen[1]["jti"]
    assert {claims["sub"] for claims in seen} == {CLIENT}


async def test_a_client_with_a_secret_sends_it_as_basic_and_nowhere_else() -> None:
    provider = ScriptedProvider()
    address = await provider.client(by_key=False).leave(WISH, NOW)
    pushed = provider.to("/par")[0]
    assert pushed.auth == (CLIENT, "s+e%3Acret")
    assert not {"client_assertion", "client_secret", "request"} & pushed.form.keys()
    assert pushed.form["state"] == "the-state"
    assert "s e:cret" not in address


async def test_without_pushing_the_request_goes_signed_by_the_browser() -> None:
    provider = ScriptedProvider(metadata(pushed_authorization_request_endpoint=None))
    shown = query(await provider.client().leave(WISH, NOW))
    assert set(shown) == {"client_id", "request", "response_type", "scope"}
    assert read(shown["request"])["state"] == "the-state"


async def test_without_either_it_goes_in_the_address() -> None:
    provider = ScriptedProvider(
        metadata(
            pushed_authorization_request_endpoint=None,
            request_parameter_supported=None,
            authorization_endpoint=f"{ISSUER}/auth?tenant=1",
        )
    )
    shown = query(await provider.client().leave(WISH, NOW))
    assert shown["tenant"] == "1"
    assert (shown["client_id"], shown["state"], shown["code_challenge_method"]) == (CLIENT, "the-state", "S256")
    assert provider.to("/par") == []


async def test_a_claim_is_asked_for_where_the_server_takes_such_wishes() -> None:
    wish = AuthorizationWish(BACK, "s", "n", "c", claim="fiscal", fresh=False, prompt="")
    for provider, asked in (
        (ScriptedProvider(), True),
        (ScriptedProvider(metadata(claims_parameter_supported=False)), False),
    ):
        await provider.client().leave(wish, NOW)
        claims = read(provider.to("/par")[0].form["request"])
        assert ("claims" in claims) is asked
        assert not {"max_age", "prompt", "acr_values", "dpop_jkt"} & claims.keys()


@pytest.mark.parametrize(
    "fault",
    [answer({"error": "invalid_request"}, 400), answer({}, 201), answer({"request_uri": "x" * 3000}, 201), answer([], 201),
     answer({"request_uri": "urn:request:1"}, 200), answer({"request_uri": 7}, 201)],
)  # fmt: skip
async def test_a_push_that_was_not_taken_goes_nowhere(fault: OutboundResponse) -> None:
    provider = ScriptedProvider(faults={"/par": fault})
    with pytest.raises(OAuthRefused) as refused:
        await provider.client().leave(WISH, NOW)
    assert refused.value.reason == "request_refused"


async def test_a_code_is_redeemed_with_verifier_address_and_a_proof_of_the_bound_key() -> None:
    provider = ScriptedProvider()
    tokens = await redeemed(provider)
    assert tokens.access_token == ACCESS_TOKEN
    assert ACCESS_TOKEN not in repr(tokens)
    asked = provider.to("/token")[0]
    assert {name: asked.form[name] for name in ("grant_type", "code", "code_verifier", "redirect_uri")} == {
        "grant_type": "authorization_code", "code": "the-code", "code_verifier": "the-verifier", "redirect_uri": BACK,
    }  # fmt: skip
    assert verify_proof(asked.headers["dpop"], "POST", f"{ISSUER}/token", NOW, jkt=BOUND.kid)


async def test_the_servers_nonce_is_taken_up_once_with_fresh_assertion_and_proof() -> None:
    provider = ScriptedProvider(dpop_nonce="n-1")
    client = provider.client()
    await redeemed(provider, client)
    first, second = provider.to("/token")
    assert first.form["client_assertion"] != second.form["client_assertion"]
    assert verify_proof(second.headers["dpop"], "POST", f"{ISSUER}/token", NOW, nonce="n-1")
    await redeemed(provider, client)
    assert len(provider.to("/token")) == 3


async def test_a_server_that_never_has_enough_of_nonces_is_refused() -> None:
    fault = answer({"error": "use_dpop_nonce"}, 400, {"dpop-nonce": "again"})
    provider = ScriptedProvider(faults={"/token": fault})
    with pytest.raises(OAuthRefused):
        await redeemed(provider)
    assert len(provider.to("/token")) == 2


async def test_a_server_that_binds_no_tokens_gives_bearer_ones() -> None:
    provider = ScriptedProvider(metadata(dpop_signing_alg_values_supported=None), tokens={"token_type": "bearer"})
    await redeemed(provider)
    assert "dpop" not in provider.to("/token")[0].headers


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ({"token_type": "Bearer"}, "token_not_bound"),
        ({"token_type": None}, "token_not_bound"),
        ({"id_token": None}, "no_id_token"),
        ({"id_token": 7}, "tokens_malformed"),
        ({"id_token": "x" * 20_000}, "tokens_malformed"),
        ({"access_token": None}, "tokens_malformed"),
        ({"access_token": "two words"}, "tokens_malformed"),
        ({"access_token": "line\r\nbreak"}, "tokens_malformed"),
        ({"access_token": "ü"}, "tokens_malformed"),
        ({"refresh_token": []}, "tokens_malformed"),
    ],
)
async def test_tokens_that_are_not_what_was_asked_for_are_refused(tokens: dict[str, Any], reason: str) -> None:
    with pytest.raises(OAuthRefused) as refused:
        await redeemed(ScriptedProvider(tokens=tokens))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(answer({"error": "invalid_grant"}, 400), "code_refused"), (answer([]), "tokens_malformed"), (answer({}, 302), "code_refused")],
)  # fmt: skip
async def test_a_code_that_is_refused_gives_nothing(fault: OutboundResponse, reason: str) -> None:
    with pytest.raises(OAuthRefused) as refused:
        await redeemed(ScriptedProvider(faults={"/token": fault}))
    assert refused.value.reason == reason


async def test_a_server_that_is_overloaded_has_refused_nobody() -> None:
    with pytest.raises(OutboundFailed):
        await redeemed(ScriptedProvider(faults={"/token": answer({}, 503)}))


@pytest.mark.parametrize("signed", [False, True])
async def test_userinfo_is_asked_for_with_the_bound_token(signed: bool) -> None:
    provider = ScriptedProvider(dpop_nonce="n-2", signs_userinfo=signed)
    told = await provider.client().userinfo(ACCESS_TOKEN, bound_to=BOUND, now=NOW)
    assert (told["sub"], told["customer"]) == ("u-1", "C-1001")
    asked = provider.to("/me")[-1]
    assert asked.headers["authorization"] == f"DPoP {ACCESS_TOKEN}"
    assert verify_proof(asked.headers["dpop"], "GET", f"{ISSUER}/me", NOW, access_token=ACCESS_TOKEN, nonce="n-2")


async def test_userinfo_by_bearer_where_tokens_are_not_bound() -> None:
    provider = ScriptedProvider(metadata(dpop_signing_alg_values_supported=None))
    await provider.client().userinfo(ACCESS_TOKEN, bound_to=BOUND, now=NOW)
    assert provider.to("/me")[0].headers["authorization"] == f"Bearer {ACCESS_TOKEN}"


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (ScriptedProvider(metadata(userinfo_endpoint=None)), "no_userinfo"),
        (ScriptedProvider(faults={"/me": answer({}, 401)}), "userinfo_refused"),
        (ScriptedProvider(faults={"/me": answer([])}), "userinfo_malformed"),
    ],
)
async def test_userinfo_that_is_none_is_refused(provider: ScriptedProvider, reason: str) -> None:
    with pytest.raises(OAuthRefused) as refused:
        await provider.client().userinfo(ACCESS_TOKEN, bound_to=BOUND, now=NOW)
    assert refused.value.reason == reason


async def test_tokens_are_given_back_the_lasting_one_first() -> None:
    provider = ScriptedProvider()
    await provider.client().revoke(Tokens("a-token", "id", "r-token"), NOW)
    assert [one.form["token"] for one in provider.to("/revoke")] == ["r-token", "a-token"]
    silent = ScriptedProvider(metadata(revocation_endpoint=None))
    await silent.client().revoke(Tokens("a-token", "id", ""), NOW)
    assert [one.url for one in silent.asked] == [f"{ISSUER}/.well-known/openid-configuration"]


async def test_a_revocation_that_fails_undoes_nothing() -> None:
    provider = ScriptedProvider(down={"/revoke"})
    await provider.client().revoke(Tokens("a-token", "id", "r-token"), NOW)
    assert len(provider.to("/revoke")) == 2


def test_a_client_is_known_by_exactly_one_thing() -> None:
    server = AuthorizationServer(ISSUER, OutboundClient())
    with pytest.raises(ValueError, match="one of them"):
        OAuthClient(server, CLIENT)


async def test_everything_fails_as_one_kind_when_the_server_is_away() -> None:
    provider = ScriptedProvider(down={"/.well-known/openid-configuration"})
    client = provider.client()
    with pytest.raises(OutboundError):
        await client.leave(WISH, NOW)
    with pytest.raises(OutboundError):
        await redeemed(provider, client)
