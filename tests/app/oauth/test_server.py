"""Metadata and keys are remembered, and asked for again only now and then, whatever strangers send."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.oauth.errors import OAuthRefused
from app.oauth.server import BETWEEN_REFRESHES, REMEMBERED
from app.outbound import OutboundError, OutboundFailed, OutboundResponse
from security.errors import UnknownSigner
from security.jwts import SigningKey, VerificationKeys
from tests.support.scripted_openid import NOW, ScriptedProvider, answer

DISCOVERY = "/.well-known/openid-configuration"


async def found(provider: ScriptedProvider, client: object, key: SigningKey, seconds: float = 0) -> str:
    def check(keys: VerificationKeys) -> str:
        return keys.find(key.kid, "ES256").thumbprint()

    return await client.server.checked(check, NOW + timedelta(seconds=seconds))  # type: ignore[attr-defined,no-any-return]


async def test_metadata_and_keys_are_asked_for_once_an_hour() -> None:
    provider = ScriptedProvider()
    client = provider.client()
    for seconds in (0, 1, 3599):
        assert await found(provider, client, provider.key, seconds) == provider.key.kid
    assert (len(provider.to(DISCOVERY)), len(provider.to("/jwks"))) == (1, 1)
    await found(provider, client, provider.key, REMEMBERED.total_seconds())
    assert (len(provider.to(DISCOVERY)), len(provider.to("/jwks"))) == (2, 2)


async def test_a_new_key_is_found_at_once() -> None:
    provider = ScriptedProvider()
    client = provider.client()
    await found(provider, client, provider.key)
    provider.key = SigningKey.new()
    assert await found(provider, client, provider.key, 120) == provider.key.kid
    assert len(provider.to("/jwks")) == 2


async def test_made_up_keys_cost_the_issuer_one_request_a_minute() -> None:
    provider = ScriptedProvider()
    client, minute = provider.client(), BETWEEN_REFRESHES.total_seconds()
    for seconds in (0, 1, minute - 1, minute, minute + 1, 2 * minute - 1):
        with pytest.raises(UnknownSigner):
            await found(provider, client, SigningKey.new(), seconds)
    assert len(provider.to("/jwks")) == 2


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_server_that_cannot_answer_now_has_refused_nothing(path: str, status: int) -> None:
    provider = ScriptedProvider(faults={path: OutboundResponse(status, {}, b"")})
    with pytest.raises(OutboundFailed):
        await found(provider, provider.client(), provider.key)


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
async def test_a_server_that_is_gone_is_asked_again_next_time(path: str) -> None:
    provider = ScriptedProvider(down={path})
    client = provider.client()
    with pytest.raises(OutboundError):
        await found(provider, client, provider.key)
    provider.down.clear()
    assert await found(provider, client, provider.key) == provider.key.kid


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (DISCOVERY, OutboundResponse(404, {}, b"")),
        (DISCOVERY, OutboundResponse(302, {"location": "https://attacker.example/"}, b"")),
        (DISCOVERY, answer([])),
        ("/jwks", OutboundResponse(404, {}, b"")),
        ("/jwks", answer({"keys": []})),
        ("/jwks", answer({"keys": [{"kty": "oct", "k": "AAAA"}]})),
    ],
)
async def test_what_is_no_metadata_or_no_keys_is_refused(path: str, fault: OutboundResponse) -> None:
    provider = ScriptedProvider(faults={path: fault})
    with pytest.raises(OAuthRefused):
        await found(provider, provider.client(), provider.key)


async def test_keys_are_asked_for_where_the_metadata_say() -> None:
    provider = ScriptedProvider(down={"/jwks"})
    provider.metadata["jwks_uri"] = "https://id.example/other"
    provider.faults["/other"] = answer({"keys": [provider.key.public_jwk()]})
    assert await found(provider, provider.client(), provider.key) == provider.key.kid
