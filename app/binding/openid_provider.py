"""An OpenID Connect provider (bank login, digital identity) as one who identifies customers.

Of its answer only three things are kept: who (one claim, looked up in the bank's directory), how strongly (`acr`), and
that it answers this very redirect. The tokens are used once, given back and forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.binding.identity_provider import IdentityAnswer, IdentityRefused, IdentityResult, IdentityWish
from app.binding.rules import Kind
from app.channels.ports import Remark, State
from app.directory.port import IdentifierKind
from app.oauth.client import OAuthClient, Tokens
from app.oauth.errors import OAuthRefused
from app.oauth.requests import AuthorizationWish
from app.outbound import OutboundError
from app.permissions import Level
from security.errors import TokenRefused
from security.id_tokens import Asked, Identity, verify_id_token
from security.jwts import SigningKey

SUBJECT: Final = "sub"
LONGEST_IDENTIFIER: Final = 300
_BOUND_TO: Final = "dpop"


@dataclass(frozen=True)
class OpenIdProvider:
    """One provider. `claim` names the customer, as the `kind` by which the directory knows it.

    `acrs` are those that the policy lists as relay-resistant. `tells_when` is off for schemes that never say when the
    person signed in (SPID, CIE); `prompt` is their word for a new sign-in.
    """

    name: str
    client: OAuthClient
    acrs: Mapping[str, Level]
    claim: str = SUBJECT
    kind: IdentifierKind = IdentifierKind.SUBJECT
    scope: str = "openid"
    from_userinfo: bool = False
    tells_when: bool = True
    prompt: str = "login"

    def prepare(self) -> Mapping[str, str]:
        """A key pair of this redirect alone, that its tokens will be bound to."""
        return {_BOUND_TO: json.dumps(SigningKey.new().private_jwk())}

    async def begin(self, wish: IdentityWish) -> str:
        """See `IdentityProvider`."""
        asked = AuthorizationWish(
            redirect_uri=wish.redirect_uri,
            state=wish.state,
            nonce=wish.nonce,
            code_challenge=wish.code_challenge,
            scope=self.scope,
            acrs=self._acrs_for(wish),
            claim="" if self.claim == SUBJECT else self.claim,
            fresh=self.tells_when,
            prompt=self.prompt,
            jkt=_bound_to(wish.memo).kid,
        )
        try:
            return await self.client.leave(asked, wish.now)
        except OAuthRefused as refused:
            raise IdentityRefused(refused.reason) from None

    async def finish(self, answer: IdentityAnswer) -> IdentityResult:
        """See `IdentityProvider`."""
        try:
            await self._check_issuer(answer)
            return await self._identified(answer)
        except OAuthRefused as refused:
            raise IdentityRefused(refused.reason) from None
        except TokenRefused as refused:
            raise IdentityRefused(f"token_{refused.reason}") from None

    async def look(self, now: datetime) -> Sequence[Remark]:
        """Whether the provider answers, and what it can do; for the doctor."""
        try:
            metadata = await self.client.server.describe(now)
            await self.client.server.checked(lambda keys: keys, now)
        except OAuthRefused as refused:
            return [Remark(State.WRONG, f"answers, but cannot be used ({refused.reason})")]
        except OutboundError as fault:
            return [Remark(State.WRONG, f"cannot be reached ({type(fault).__name__})")]
        remarks = [Remark(State.RIGHT, "answers for its issuer, with keys")]
        weak = [
            text
            for there, text in [
                (metadata.push, "takes no pushed requests"),
                (metadata.names_itself, "does not name itself in callbacks (RFC 9207)"),
                (metadata.binds_tokens, "binds no tokens to keys (DPoP)"),
            ]
            if not there
        ]
        return remarks + [Remark(State.ODD, text) for text in weak]

    def _acrs_for(self, wish: IdentityWish) -> Sequence[str]:
        """The weakest that is enough first (Core 3.1.2.1: in order of preference); to step up, only what gives more."""
        enough = wish.level if wish.purpose == Kind.STEP_UP else Level.L0
        return [acr for acr, level in sorted(self.acrs.items(), key=lambda one: one[1]) if level > enough]

    async def _check_issuer(self, answer: IdentityAnswer) -> None:
        """Before anything is sent: a code of another provider must not be redeemed here (mix-up, RFC 9207)."""
        metadata = await self.client.server.describe(answer.now)
        if answer.issuer is None and metadata.names_itself:
            raise IdentityRefused("issuer_missing")
        if answer.issuer is not None and answer.issuer != metadata.issuer:
            raise IdentityRefused("wrong_issuer")

    async def _identified(self, answer: IdentityAnswer) -> IdentityResult:
        key = _bound_to(answer.memo)
        tokens = await self.client.redeem(
            answer.code,
            code_verifier=answer.code_verifier,
            redirect_uri=answer.redirect_uri,
            bound_to=key,
            now=answer.now,
        )
        try:
            identity = await self._identity(tokens, answer)
            claims = await self._claims(tokens, identity, key, answer.now)
        finally:
            with suppress(OAuthRefused, OutboundError):
                await self.client.revoke(tokens, answer.now)
        return IdentityResult(self._identifier(claims), identity.acr, answer.nonce, self.name, self.kind)

    async def _identity(self, tokens: Tokens, answer: IdentityAnswer) -> Identity:
        asked = Asked(
            issuer=self.client.server.issuer,
            client_id=self.client.client_id,
            nonce=answer.nonce,
            signed_in_since=answer.begun_at if self.tells_when else None,
        )
        return await self.client.server.checked(
            lambda keys: verify_id_token(tokens.id_token, keys, asked, answer.now, tokens.access_token), answer.now
        )

    async def _claims(self, tokens: Tokens, identity: Identity, key: SigningKey, now: datetime) -> Mapping[str, Any]:
        if not self.from_userinfo:
            return identity.claims
        told = await self.client.userinfo(tokens.access_token, bound_to=key, now=now)
        if told.get(SUBJECT) != identity.subject:
            # Core 5.3.2: a token put in place of another's would name another person
            raise IdentityRefused("other_subject")
        return told

    def _identifier(self, claims: Mapping[str, Any]) -> str:
        value = claims.get(self.claim)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_IDENTIFIER:
            raise IdentityRefused("customer_not_named")
        return f"{self.name}:{value}" if self.kind is IdentifierKind.SUBJECT else value


def _bound_to(memo: Mapping[str, str]) -> SigningKey:
    return SigningKey.of_jwk(json.loads(memo[_BOUND_TO]))
