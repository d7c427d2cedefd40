"""Sign-in by the AT Protocol's profile of OAuth, at the server that the named account's own DID leads to.

Pushed request, PKCE, DPoP with the server's nonces, a client known by its document and a key. A server is believed only
about accounts whose DID leads to it: that is asked anew for the account that it names at the end, or any server could
claim anybody. All servers share one redirect URI, so a callback must name the server that was asked (RFC 9207).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from app.channels import clients
from app.channels.atproto_identity import NETWORK, SCOPE, Identities, is_did
from app.channels.atproto_servers import SCOPE_WORD, issuer_of, server_at
from app.channels.ports import (
    ChannelRefused,
    ChannelUnavailable,
    Departure,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
)
from app.oauth.client import OAuthClient, Tokens
from app.oauth.errors import OAuthRefused
from app.oauth.requests import AuthorizationWish
from app.outbound import OutboundDenied, OutboundError
from app.services import Services
from security.jwts import OWN_ALGORITHM, SigningKey

LONGEST_DEPARTURE: Final = 10.0  # seconds, however slowly each of the servers asked may answer
LONGEST_RETURN: Final = 15.0


class AtprotoSignIn:
    """Signs a person in at their own server, sees whose account it is, and gives the tokens back."""

    def __init__(self, client_id: str, key: SigningKey, identities: Identities) -> None:
        self._client_id: Final = client_id
        self._key: Final = key
        self._identities: Final = identities

    async def begin(self, services: Services, wish: SignInWish) -> Departure:
        """See `ports.SignIn`."""
        if not await clients.may_depart(services, wish.visitor):
            raise ChannelRefused("too_many_departures")
        now, bound = services.clock(), SigningKey.new()
        asked = AuthorizationWish(
            redirect_uri=wish.return_address,
            state=wish.state,
            nonce="",
            code_challenge=wish.code_challenge,
            scope=SCOPE_WORD,
            fresh=False,
            prompt="",
            hint=wish.account,
        )
        try:
            async with asyncio.timeout(LONGEST_DEPARTURE):
                account = await self._identities.named(wish.account)
                issuer = await issuer_of(self._identities.strangers, account.pds)
                url = await self._client(issuer).leave(asked, now, bound_to=bound)
        except (OAuthRefused, OutboundDenied) as refused:
            raise ChannelRefused(refused.reason) from None
        except (OutboundError, TimeoutError) as fault:
            raise ChannelUnavailable(type(fault).__name__) from None
        handle = "" if is_did(wish.account) else account.handle
        memo = {"did": account.did, "handle": handle, "issuer": issuer, "key": json.dumps(bound.private_jwk())}
        return Departure(url, wish.return_address, memo)

    def is_issuer(self, memo: Mapping[str, str], issuer: str | None) -> bool:
        """The profile makes every server name itself."""
        return issuer == memo["issuer"]

    async def finish(self, services: Services, answer: SignInAnswer) -> Subject:
        """See `ports.SignIn`."""
        try:
            async with asyncio.timeout(LONGEST_RETURN):
                return await self._signed_in(answer, services.clock())
        except (OAuthRefused, OutboundDenied) as refused:
            raise SignInFailed(reason=refused.reason) from None
        except (OutboundError, TimeoutError) as fault:
            raise ChannelUnavailable(type(fault).__name__) from None

    async def _signed_in(self, answer: SignInAnswer, now: datetime) -> Subject:
        client, bound = self._client(answer.memo["issuer"]), SigningKey.of_jwk(json.loads(answer.memo["key"]))
        tokens = await client.redeem(
            answer.code,
            code_verifier=answer.code_verifier,
            redirect_uri=answer.redirect_uri,
            bound_to=bound,
            now=now,
            openid=False,
        )
        try:
            return await self._whose(tokens, answer.memo)
        finally:
            with suppress(OAuthRefused, OutboundError):
                await client.revoke(tokens, now, bound_to=bound)

    async def _whose(self, tokens: Tokens, memo: Mapping[str, str]) -> Subject:
        """The account of the tokens, if its DID leads to the server that gave them, and it is the one expected."""
        if SCOPE_WORD not in tokens.scope.split():
            raise SignInFailed(reason="scope_not_granted")
        if not is_did(tokens.subject):
            raise SignInFailed(reason="nobody_named")
        account = await self._identities.account(tokens.subject)
        if await issuer_of(self._identities.strangers, account.pds) != memo["issuer"]:
            raise SignInFailed(reason="server_of_another_account")
        if account.did != memo["did"]:
            raise SignInFailed(reason="other_account")
        known = account.handle and account.handle == memo["handle"]
        handle = account.handle if known else await self._identities.handle_of(account)
        return Subject(NETWORK, SCOPE, account.did, handle or account.did, handle or account.did)

    def _client(self, issuer: str) -> OAuthClient:
        """Nothing of one sign-in is kept for another: the servers are of strangers' choice."""
        server = server_at(self._identities.strangers, issuer)
        return OAuthClient(server, self._client_id, key=self._key, demands_nonces=True)


def client_document(
    *, client_id: str, bank: str, public_url: str, redirect_uri: str, key: SigningKey
) -> dict[str, Any]:
    """What servers read at `client_id` to know the bank's client: its return address, and its key."""
    return {
        "client_id": client_id,
        "client_name": bank,
        "client_uri": public_url,
        "policy_uri": f"{public_url}/privacy",
        "application_type": "web",
        "redirect_uris": [redirect_uri],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "scope": SCOPE_WORD,
        "dpop_bound_access_tokens": True,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": OWN_ALGORITHM,
        "jwks": {"keys": [key.public_jwk()]},
    }
