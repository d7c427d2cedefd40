"""Sign-in at the server that the named account lives on: OAuth 2 with PKCE, by a client registered there.

A server is believed about its own users only: the actor URI must lie on the server that was signed in at. Each server
has a redirect URI of its own, so that no server can have another one's code redeemed (mix-up, RFC 9700 section 4.4).
A client is shared between visitors only at servers that promise PKCE; elsewhere nothing binds a code to a browser, and
some servers even remember only the last person of each client: there each sign-in has a client of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from app.channels import clients
from app.channels.mastodon_api import LONGEST_URI, NETWORK, SCOPE, Outbound, parsed, site_of
from app.channels.mastodon_servers import Client, Server, Servers, client_from, tag_of
from app.channels.mastodon_text import one_line, split_account
from app.channels.ports import (
    ChannelError,
    ChannelRefused,
    ChannelUnavailable,
    Departure,
    SignInAnswer,
    SignInFailed,
    SignInWish,
    Subject,
)
from app.services import Services

LONGEST_TOKEN: Final = 4096
LONGEST_DEPARTURE: Final = 8.0  # seconds, however slowly each of the servers asked may answer


class MastodonSignIn:
    """Signs a person in at their own server, asks who it is, and gives the token back."""

    def __init__(self, connector: str, outbound: Outbound) -> None:
        self._connector = connector
        self._servers = Servers(outbound)

    async def begin(self, services: Services, wish: SignInWish) -> Departure:
        """See `ports.SignIn`."""
        name, host = split_account(wish.account)
        if not await clients.may_depart(services, wish.visitor):
            raise ChannelRefused("too_many_departures")
        try:
            async with asyncio.timeout(LONGEST_DEPARTURE):
                site = await self._servers.home_of(name, host)
                redirect_uri = f"{wish.return_address}/{tag_of(site)}"
                client = await self._client(services, site, redirect_uri)
        except TimeoutError:
            raise ChannelUnavailable("too_slow") from None
        address: str = prepare_grant_uri(
            client.server.authorize,
            client.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=client.server.scope,
            state=wish.state,
            code_challenge=wish.code_challenge,
            code_challenge_method="S256",
        )
        return Departure(address, redirect_uri, client.as_memo())

    def is_issuer(self, memo: Mapping[str, str], issuer: str | None) -> bool:
        """A server that promised to name itself must; one that did not may, and then by its own name."""
        server = client_from(memo).server
        if issuer is None:
            return not server.issuer
        return issuer == server.issuer if server.issuer else site_of(issuer) == server.site

    async def finish(self, services: Services, answer: SignInAnswer) -> Subject:
        """See `ports.SignIn`."""
        client = client_from(answer.memo)
        token = await self._exchange(client, answer)
        try:
            subject = await self._whose(client.server, token)
        finally:
            await self._revoke(client, token)
        if client.server.binds_codes:
            await clients.note_proved(services, self._connector, client.server.site)
        return subject

    async def _client(self, services: Services, site: str, redirect_uri: str) -> Client:
        kept = await clients.find(services, self._connector, site)
        if kept is not None and kept["redirect_uri"] == redirect_uri:
            return client_from(kept)
        server = await self._servers.describe(site)
        if not await clients.may_register(services, self._connector, site):
            raise ChannelUnavailable("too_many_registrations")
        parts = urlsplit(redirect_uri)
        client = await self._servers.register(server, redirect_uri, f"{parts.scheme}://{parts.netloc}/")
        if server.binds_codes:
            await clients.keep(services, self._connector, site, client.as_memo())
        return client

    async def _exchange(self, client: Client, answer: SignInAnswer) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": answer.code,
            "code_verifier": answer.code_verifier,
            "redirect_uri": answer.redirect_uri,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "scope": client.server.scope,
        }
        response = await self._servers.post(client.server.token, form)
        content = parsed(response)
        token = content.get("access_token") if isinstance(content, dict) else None
        if response.status != 200 or not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
            raise SignInFailed(f"status {response.status}")
        if str(content.get("token_type")).lower() != "bearer" or not token.isascii() or not token.isprintable():
            raise SignInFailed("no bearer token")
        return token

    async def _whose(self, server: Server, token: str) -> Subject:
        """The account of the token, if it is one of the server's own."""
        if server.userinfo:
            told = await self._servers.get_as(server.userinfo, token)
            uri, name = _text(told, "sub"), _text(told, "preferred_username")
            if isinstance(told, dict) and "iss" in told and site_of(_text(told, "iss")) != server.site:
                raise SignInFailed("issuer of another server")
        else:
            told = await self._servers.get_as(f"{server.origin}/api/v1/accounts/verify_credentials", token)
            uri, name = _text(told, "uri") or _text(told, "url"), _text(told, "username")
        if not uri or len(uri) > LONGEST_URI:
            raise SignInFailed("the server did not say who signed in")
        if site_of(uri) != server.site:
            raise SignInFailed("account of another server")
        shown = _text(told, "name") or _text(told, "display_name")
        handle = f"{''.join(one for one in name if one.isalnum() or one in '_.~+-')[:64]}@{server.site}"
        return Subject(NETWORK, SCOPE, uri, handle, one_line(shown, 100) or handle)

    async def _revoke(self, client: Client, token: str) -> None:
        form = {"token": token, "client_id": client.client_id, "client_secret": client.client_secret}
        try:
            await self._servers.post(client.server.revoke, form)
        except ChannelError:
            return  # the proof stands; the unrevoked token is forgotten here, and opens nothing but a public profile


def _text(told: Any, name: str) -> str:
    value = told.get(name) if isinstance(told, dict) else None
    return value if isinstance(value, str) else ""
