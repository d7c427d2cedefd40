"""Sign-in at a platform that speaks OpenID Connect, or OAuth 2 with an address that says whose a token is.

A part for the connector of any such network: each redirect is as strong as the platform's own metadata offer (pushed,
bound to a key, by assertion), and only the platform's immutable name of the account is taken from it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

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
from app.outbound import OutboundError
from app.services import Services
from security.errors import TokenRefused
from security.id_tokens import LONGEST_SUBJECT, Asked, verify_id_token
from security.jwts import SigningKey
from security.tokens import new_token

LONGEST_DEPARTURE: Final = 8.0
LONGEST_RETURN: Final = 15.0
LONGEST_NAME: Final = 100


@dataclass(frozen=True)
class OpenIdSignIn:
    """One platform: `network` and `scope` are those of its accounts' subjects.

    With `openid` an ID token says who signed in; without, the userinfo address does, for platforms that only speak
    OAuth 2. `subject` names the claim that never changes there, `handle` the one for display.
    """

    client: OAuthClient
    network: str
    scope: str
    openid: bool = True
    scopes: str = "openid"
    subject: str = "sub"
    handle: str = "preferred_username"

    async def begin(self, services: Services, wish: SignInWish) -> Departure:
        """See `ports.SignIn`; the platform is one server, so whoever was named, the way is the same."""
        now, bound, nonce = services.clock(), SigningKey.new(), new_token()
        asked = AuthorizationWish(
            redirect_uri=wish.return_address,
            state=wish.state,
            nonce=nonce if self.openid else "",
            code_challenge=wish.code_challenge,
            scope=self.scopes,
            fresh=False,
            prompt="",
            jkt=bound.kid,
        )
        try:
            async with asyncio.timeout(LONGEST_DEPARTURE):
                url = await self.client.leave(asked, now)
                metadata = await self.client.server.describe(now)
        except OAuthRefused as refused:
            raise ChannelRefused(refused.reason) from None
        except (OutboundError, TimeoutError) as fault:
            raise ChannelUnavailable(type(fault).__name__) from None
        memo = {"nonce": nonce, "key": json.dumps(bound.private_jwk()), "names_itself": str(metadata.names_itself)}
        return Departure(url, wish.return_address, memo)

    def is_issuer(self, memo: Mapping[str, str], issuer: str | None) -> bool:
        """A platform that promised to name itself must; one that did not may, and then by its own name."""
        if issuer is None:
            return memo["names_itself"] != "True"
        return issuer == self.client.server.issuer

    async def finish(self, services: Services, answer: SignInAnswer) -> Subject:
        """See `ports.SignIn`."""
        try:
            async with asyncio.timeout(LONGEST_RETURN):
                return self._subject(await self._told(answer, services.clock()))
        except OAuthRefused as refused:
            raise SignInFailed(reason=refused.reason) from None
        except TokenRefused as refused:
            raise SignInFailed(reason=f"token_{refused.reason}") from None
        except (OutboundError, TimeoutError) as fault:
            raise ChannelUnavailable(type(fault).__name__) from None

    async def _told(self, answer: SignInAnswer, now: datetime) -> Mapping[str, Any]:
        """What the platform says of who signed in; the tokens are given back whatever it is."""
        bound = SigningKey.of_jwk(json.loads(answer.memo["key"]))
        tokens = await self.client.redeem(
            answer.code,
            code_verifier=answer.code_verifier,
            redirect_uri=answer.redirect_uri,
            bound_to=bound,
            now=now,
            openid=self.openid,
        )
        try:
            if self.openid:
                return await self._identity(tokens, answer.memo["nonce"], now)
            return await self.client.userinfo(tokens.access_token, bound_to=bound, now=now)
        finally:
            with suppress(OAuthRefused, OutboundError):
                await self.client.revoke(tokens, now)

    async def _identity(self, tokens: Tokens, nonce: str, now: datetime) -> Mapping[str, Any]:
        asked = Asked(issuer=self.client.server.issuer, client_id=self.client.client_id, nonce=nonce)
        identity = await self.client.server.checked(
            lambda keys: verify_id_token(tokens.id_token, keys, asked, now, tokens.access_token), now
        )
        return identity.claims

    def _subject(self, told: Mapping[str, Any]) -> Subject:
        name = told.get(self.subject)
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_SUBJECT:
            raise SignInFailed(reason="nobody_named")
        shown = told.get(self.handle)
        handle = "".join(one for one in shown if one.isprintable())[:LONGEST_NAME] if isinstance(shown, str) else ""
        return Subject(self.network, self.scope, name, handle or name, handle or name)
