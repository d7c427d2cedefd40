"""Our registration at one server, and the requests that we make under it. Tokens pass through; none is kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus

from authlib.common.urls import add_params_to_uri

from app.oauth.errors import OAuthRefused
from app.oauth.requests import (
    ASSERTION_TYPE,
    AuthorizationWish,
    client_assertion,
    parameters,
    signed_request,
)
from app.oauth.server import AuthorizationServer, believable
from app.outbound import MAX_URL, OutboundError, OutboundResponse
from security.dpop import make_proof
from security.id_tokens import verify_userinfo
from security.jwts import SigningKey
from security.secret import Secret

LONGEST_TOKEN: Final = 16 * 1024
_SAID: Final = ("sub", "scope")


@dataclass(frozen=True)
class Tokens:
    """What a code was redeemed for. `subject` and `scope` are what the answer itself says, "" where it does not."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    subject: str = field(default="", repr=False)
    scope: str = ""


class OAuthClient:
    """One client at one server, known there by `key` (private_key_jwt) or, without one, by `secret` (HTTP Basic).

    `demands_nonces` refuses a server that answers a proof without a nonce for the next one.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        client_id: str,
        *,
        key: SigningKey | None = None,
        secret: Secret | None = None,
        demands_nonces: bool = False,
    ) -> None:
        if (key is None) is (secret is None):
            raise ValueError("a client has a key or a secret, one of them")
        self.server: Final = server
        self.client_id: Final = client_id
        self.key: Final = key
        self._secret: Final = secret
        self._demands_nonces: Final = demands_nonces
        self._nonce: str | None = None

    async def leave(self, wish: AuthorizationWish, now: datetime, *, bound_to: SigningKey | None = None) -> str:
        """Where the browser goes. The request is pushed where the server takes that, and signed where it checks that.

        A pushed one carries a proof of `bound_to`, for servers that want the key so early. Raises `OAuthRefused`, or
        `OutboundError` when the server cannot be reached.
        """
        metadata = await self.server.describe(now)
        asked = parameters(self.client_id, wish)
        if not metadata.takes_claims:
            asked.pop("claims", None)
        if self.key is not None and metadata.takes_signed_requests:
            signed = signed_request(self.key, metadata.issuer, asked, now)
            asked = {"client_id": self.client_id, "request": signed}
            if not metadata.push:
                # by themselves OpenID Connect wants these outside as well (Core 6.1)
                asked |= {"response_type": "code", "scope": wish.scope}
        if metadata.push:
            asked = {"client_id": self.client_id, "request_uri": await self._push(metadata.push, asked, now, bound_to)}
        address: str = add_params_to_uri(metadata.authorize, list(asked.items()))
        return address

    async def redeem(
        self,
        code: str,
        *,
        code_verifier: str,
        redirect_uri: str,
        bound_to: SigningKey | None,
        now: datetime,
        openid: bool = True,
    ) -> Tokens:
        """The code's tokens. Bound to the key where the server can: a bearer token is refused then (a downgrade).

        With `openid` an ID token must be among them.
        """
        metadata = await self.server.describe(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        key = bound_to if metadata.binds_tokens else None
        answer = await self._post(metadata.token, form, now, key=key)
        if answer.status != 200:
            raise OAuthRefused("code_refused")
        return _tokens(answer.json(), "dpop" if key is not None else "bearer", openid=openid)

    async def userinfo(self, access_token: str, *, bound_to: SigningKey | None, now: datetime) -> Mapping[str, Any]:
        """The claims about the token's person, plain or signed. Not yet compared with the ID token's subject."""
        metadata = await self.server.describe(now)
        if not metadata.userinfo:
            raise OAuthRefused("no_userinfo")
        key = bound_to if metadata.binds_tokens else None
        for _ in range(2):
            headers = {"accept": "application/json, application/jwt"}
            headers["authorization"] = f"{'DPoP' if key else 'Bearer'} {access_token}"
            if key is not None:
                headers["dpop"] = make_proof(
                    key, "GET", metadata.userinfo, now, nonce=self._nonce, access_token=access_token
                )
            answer = believable(await self.server.outbound.request("GET", metadata.userinfo, headers=headers))
            if not self._must_repeat(answer):
                break
        if answer.status != 200:
            raise OAuthRefused("userinfo_refused")
        return await self._told(answer, now)

    async def revoke(self, tokens: Tokens, now: datetime, *, bound_to: SigningKey | None = None) -> None:
        """Give the tokens back, where the server takes them. They are forgotten here in any case."""
        metadata = await self.server.describe(now)
        for token in (tokens.refresh_token, tokens.access_token):
            if metadata.revoke and token:
                with suppress(OutboundError, OAuthRefused):
                    await self._post(metadata.revoke, {"token": token}, now, key=bound_to)

    async def _push(self, url: str, asked: Mapping[str, str], now: datetime, key: SigningKey | None) -> str:
        answer = await self._post(url, asked, now, key=key)
        document = answer.json() if answer.status == 201 else None
        address = document.get("request_uri") if isinstance(document, dict) else None
        if not isinstance(address, str) or not 0 < len(address) <= MAX_URL:
            raise OAuthRefused("request_refused")
        return address

    async def _post(
        self, url: str, form: Mapping[str, str], now: datetime, *, key: SigningKey | None = None
    ) -> OutboundResponse:
        """A form with our identification; once more when the server wants its nonce in the proof (RFC 9449, 8)."""
        for _ in range(2):
            headers = {"accept": "application/json"}
            if key is not None:
                headers["dpop"] = make_proof(key, "POST", url, now, nonce=self._nonce)
            answer = believable(
                await self.server.outbound.request(
                    "POST", url, headers=headers, data={**form, **self._identified(now)}, auth=self._basic()
                )
            )
            if key is None or not self._must_repeat(answer):
                break
        if key is not None and self._demands_nonces and not answer.headers.get("dpop-nonce"):
            raise OAuthRefused("no_nonce")
        return answer

    def _must_repeat(self, answer: OutboundResponse) -> bool:
        nonce = answer.headers.get("dpop-nonce", "")
        if not nonce:
            return False
        self._nonce = nonce[:500]
        return answer.status in (400, 401)

    def _identified(self, now: datetime) -> dict[str, str]:
        if self.key is None:
            return {}
        assertion = client_assertion(self.key, self.client_id, self.server.issuer, now)
        return {"client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    def _basic(self) -> tuple[str, str] | None:
        if self._secret is None:
            return None
        # RFC 6749 section 2.3.1: both are form-encoded before they are put together
        return quote_plus(self.client_id), quote_plus(self._secret.reveal().decode())

    async def _told(self, answer: OutboundResponse, now: datetime) -> Mapping[str, Any]:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/jwt":
            document = answer.json()
            if not isinstance(document, dict):
                raise OAuthRefused("userinfo_malformed")
            return document
        text = answer.body.decode("ascii", "replace").strip()
        return await self.server.checked(
            lambda keys: verify_userinfo(text, keys, self.server.issuer, self.client_id), now
        )


def _tokens(document: Any, kind: str, *, openid: bool) -> Tokens:
    if not isinstance(document, dict):
        raise OAuthRefused("tokens_malformed")
    found = [document.get(name, "") for name in ("access_token", "id_token", "refresh_token")]
    if not all(isinstance(one, str) and len(one) <= LONGEST_TOKEN for one in found) or not _is_token(found[0]):
        raise OAuthRefused("tokens_malformed")
    if str(document.get("token_type")).lower() != kind:
        raise OAuthRefused("token_not_bound")
    if openid and not found[1]:
        raise OAuthRefused("no_id_token")
    said = [one if isinstance(one, str) and len(one) <= LONGEST_TOKEN else "" for one in map(document.get, _SAID)]
    return Tokens(*found, *said)


def _is_token(text: str) -> bool:
    """Fit for a header."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
