"""A client library that knows nothing of us gets a token, and uses it."""

from __future__ import annotations

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from security.jwts import SigningKey
from tests.app.clients.door import URL, Door


async def test_a_stock_client_proves_itself_by_private_key_jwt_and_reads(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    described = (await door.wire.get("/.well-known/oauth-authorization-server")).json()
    claims = {"iat": door.at, "exp": door.at + 60}
    method = PrivateKeyJWT(described["issuer"], alg="ES256", claims=claims)
    async with AsyncOAuth2Client(
        "crm",
        ECKey.import_key(crm.private_jwk()),
        token_endpoint_auth_method=method,
        scope="cases:read",
        transport=httpx2.ASGITransport(door.app),
    ) as client:
        token = await client.fetch_token(described["token_endpoint"], grant_type="client_credentials")
        assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "cases:read", 300)
        # the library asks the machine's clock whether the token still lives; the house's stands still
        client.token["expires_at"] = None
        answer = await client.get(f"{URL}/api/v1/staff/me")
    assert answer.json()["display_name"] == "CRM"
