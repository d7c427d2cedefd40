"""To the provider and back. Nobody is waited for inside a transaction; what comes back counts in one browser, once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from app.actors import Staff
from app.oauth.client import Tokens
from app.oauth.errors import OAuthRefused
from app.oauth.requests import AuthorizationWish
from app.outbound import OutboundError
from app.services import Services
from app.sign_on import flows
from app.sign_on.errors import NotSignedIn, ProviderAway
from app.sign_on.flows import Flow
from app.sign_on.rules import SignOnPorts
from app.sign_on.service import SignedIn, admit
from security.errors import TokenRefused
from security.id_tokens import Asked, Identity, verify_id_token

_log = structlog.get_logger("riserbo.sign_on")
LONGEST_DEPARTURE: Final = 8.0
LONGEST_RETURN: Final = 15.0
LONGEST_VALUE: Final = 4000


@dataclass(frozen=True)
class Returned:
    """What the browser came back with; `issuer` is the callback's `iss` (RFC 9207)."""

    state: str
    code: str
    issuer: str | None


async def leave(services: Services, ports: SignOnPorts, browser: str, again: Staff | None = None) -> str:
    """The address at the provider, for this browser. `again` must prove itself anew, whatever session it has there.

    Raises `ProviderAway`.
    """
    session_id: UUID | None = again.session_id if again is not None else None
    flow = await flows.store(services, browser, session_id)
    wish = AuthorizationWish(
        redirect_uri=ports.redirect_uri,
        state=flow.state,
        nonce=flow.nonce,
        code_challenge=flow.code_challenge,
        scope=ports.scope,
        acrs=ports.sensitive_acrs if again else ports.acrs,
        fresh=again is not None,
        prompt="login" if again else "",
        jkt=flow.key.kid,
    )
    try:
        async with asyncio.timeout(LONGEST_DEPARTURE):
            return await ports.client.leave(wish, flow.begun_at)
    except (OAuthRefused, OutboundError, TimeoutError) as fault:
        _log.warning("provider_away", reason=_word(fault))
        raise ProviderAway(retry_after=5) from None


async def come_back(services: Services, ports: SignOnPorts, browser: str, returned: Returned) -> SignedIn:
    """A session for whom the provider named. Raises `NotSignedIn`, the same for every cause, and `ProviderAway`."""
    if not returned.code or max(len(returned.state), len(returned.code)) > LONGEST_VALUE:
        raise NotSignedIn
    flow = await flows.take(services, browser, returned.state)
    try:
        async with asyncio.timeout(LONGEST_RETURN):
            await _check_issuer(ports, returned, flow)
            identity = await _identity(services, ports, returned.code, flow)
    except (OAuthRefused, TokenRefused) as refused:
        # Nobody has been named yet: whoever plays with the callback fills no evidence.
        _log.warning("sign_on_refused", reason=_word(refused))
        raise NotSignedIn from None
    except (OutboundError, TimeoutError) as fault:
        _log.warning("provider_away", reason=_word(fault))
        raise ProviderAway(retry_after=5) from None
    return await admit(services, ports, identity, flow.session_id)


async def _check_issuer(ports: SignOnPorts, returned: Returned, flow: Flow) -> None:
    """Before the code is sent anywhere: another provider's is not redeemed here (RFC 9207)."""
    metadata = await ports.client.server.describe(flow.begun_at)
    if returned.issuer is None and metadata.names_itself:
        raise OAuthRefused("issuer_missing")
    if returned.issuer is not None and returned.issuer != metadata.issuer:
        raise OAuthRefused("wrong_issuer")


async def _identity(services: Services, ports: SignOnPorts, code: str, flow: Flow) -> Identity:
    now, client = services.clock(), ports.client
    tokens = await client.redeem(
        code, code_verifier=flow.verifier, redirect_uri=ports.redirect_uri, bound_to=flow.key, now=now
    )
    try:
        return await _verified(ports, tokens, flow, services)
    finally:
        with suppress(OAuthRefused, OutboundError):
            await client.revoke(tokens, now)


async def _verified(ports: SignOnPorts, tokens: Tokens, flow: Flow, services: Services) -> Identity:
    now, server = services.clock(), ports.client.server
    asked = Asked(
        issuer=server.issuer,
        client_id=ports.client.client_id,
        nonce=flow.nonce,
        signed_in_since=flow.begun_at if flow.session_id is not None else None,
    )
    return await server.checked(
        lambda keys: verify_id_token(tokens.id_token, keys, asked, now, tokens.access_token), now
    )


def _word(fault: Exception) -> str:
    return fault.reason if isinstance(fault, OAuthRefused | TokenRefused) else type(fault).__name__
