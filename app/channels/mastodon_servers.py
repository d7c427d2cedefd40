"""Servers of the fediverse that a visitor names: what they say of themselves, and the bank's OAuth client there.

Every one of them may be hostile. They are reached through the outbound guard alone, believed about nothing but their
own users, and every address that they give must be their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from app.channels.mastodon_api import Answer, Outbound, parsed, site_of
from app.channels.ports import ChannelRefused, ChannelUnavailable
from app.outbound import OutboundDenied, OutboundError

PROFILE: Final = "profile"
READ_ACCOUNTS: Final = "read:accounts"
LONGEST_ADDRESS: Final = 300
LONGEST_SECRET: Final = 512
CLIENT_NAME: Final = "Riserbo"


@dataclass(frozen=True)
class Server:
    """A server as it describes itself (RFC 8414), or as all of its kind are where it says nothing.

    `issuer` is set when it promises to name itself in every callback (RFC 9207), `binds_codes` when it promises PKCE.
    """

    origin: str
    authorize: str
    token: str
    revoke: str
    userinfo: str
    scope: str
    issuer: str
    binds_codes: bool

    @property
    def site(self) -> str:
        """Its name, as actor URIs of its users have it."""
        return site_of(self.origin)


@dataclass(frozen=True, repr=False)
class Client:
    """The bank's client at one server, for one redirect URI."""

    server: Server
    client_id: str
    client_secret: str
    redirect_uri: str

    def as_memo(self) -> dict[str, str]:
        """Flat, to be sealed."""
        server = {name: str(value) for name, value in asdict(self.server).items()}
        own = {"client_id": self.client_id, "client_secret": self.client_secret, "redirect_uri": self.redirect_uri}
        return server | own


def client_from(memo: Mapping[str, str]) -> Client:
    """A client as it was sealed."""
    names = ("origin", "authorize", "token", "revoke", "userinfo", "scope", "issuer")
    server = Server(**{name: memo[name] for name in names}, binds_codes=memo["binds_codes"] == "True")
    return Client(server, memo["client_id"], memo["client_secret"], memo["redirect_uri"])


def tag_of(site: str) -> str:
    """The last step of a server's own redirect URI: a code that comes to another server's is never used (mix-up)."""
    return hashlib.sha256(site.encode()).hexdigest()[:16]


class Servers:
    """Asks servers that visitors name."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def home_of(self, name: str, host: str) -> str:
        """The server that an account lives on, by WebFinger; the one in its name where that says nothing.

        A bank's customer may be `name@example.org` on `social.example.org`; one hop to another host is followed by
        asking that host by a request of its own, past the same guard.
        """
        resource = quote(f"acct:{name}@{host}", safe="")
        path = f"/.well-known/webfinger?resource={resource}"
        answer = await self._get(self._outbound.origin_of(host) + path)
        if answer.status in (301, 302, 307, 308):
            elsewhere = site_of(answer.headers.get("location", ""))
            if not elsewhere:
                return host
            answer = await self._get(self._outbound.origin_of(elsewhere) + path)
        document = parsed(answer) if answer.status == 200 else None
        links = document.get("links") if isinstance(document, dict) else None
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and link.get("rel") == "self" and site_of(str(link.get("href", ""))):
                return site_of(str(link["href"]))
        return host

    async def describe(self, site: str) -> Server:
        """What the server offers. Raises ChannelUnavailable, or ChannelRefused when it names addresses not its own."""
        origin = self._outbound.origin_of(site)
        answer = await self._get(f"{origin}/.well-known/oauth-authorization-server")
        told = parsed(answer) if answer.status == 200 else None
        if not isinstance(told, dict):
            return _silent(origin)
        if site_of(str(told.get("issuer", ""))) != site_of(origin):
            raise ChannelRefused("issuer_of_another_server")
        scopes = told.get("scopes_supported")
        methods = told.get("code_challenge_methods_supported")
        usual = _silent(origin)
        return Server(
            origin=origin,
            authorize=_own_address(told, "authorization_endpoint", usual.authorize, origin),
            token=_own_address(told, "token_endpoint", usual.token, origin),
            revoke=_own_address(told, "revocation_endpoint", usual.revoke, origin),
            userinfo=_own_address(told, "userinfo_endpoint", "", origin),
            scope=PROFILE if isinstance(scopes, list) and PROFILE in scopes else READ_ACCOUNTS,
            issuer=str(told["issuer"]) if told.get("authorization_response_iss_parameter_supported") is True else "",
            binds_codes=isinstance(methods, list) and "S256" in methods,
        )

    async def register(self, server: Server, redirect_uri: str, website: str) -> Client:
        """A new client there, for one redirect URI and scope. Raises ChannelUnavailable or ChannelRefused."""
        form = {"client_name": CLIENT_NAME, "redirect_uris": redirect_uri, "scopes": server.scope, "website": website}
        answer = await self.post(f"{server.origin}/api/v1/apps", form)
        made = parsed(answer) if answer.status == 200 else None
        if not isinstance(made, dict):
            raise ChannelRefused("registration_refused")
        client_id, secret = str(made.get("client_id") or ""), str(made.get("client_secret") or "")
        if not (0 < len(client_id) <= LONGEST_SECRET and 0 < len(secret) <= LONGEST_SECRET):
            raise ChannelRefused("registration_malformed")
        return Client(server, client_id, secret, redirect_uri)

    async def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """A form to a server. Raises ChannelUnavailable or ChannelRefused."""
        return await self._send("POST", url, {"accept": "application/json"}, form)

    async def get_as(self, url: str, token: str) -> Any:
        """The JSON of a 200 answer under a visitor's token; None otherwise."""
        answer = await self._send("GET", url, {"accept": "application/json", "authorization": f"Bearer {token}"}, None)
        return parsed(answer) if answer.status == 200 else None

    async def _get(self, url: str) -> Answer:
        return await self._send("GET", url, {"accept": "application/json"}, None)

    async def _send(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        try:
            answer = await self._outbound.request(method, url, headers=headers, data=form)
        except OutboundDenied as error:
            raise ChannelRefused("address_denied") from error
        except OutboundError as error:
            raise ChannelUnavailable(type(error).__name__) from error
        if answer.status == 429 or answer.status >= 500:
            raise ChannelUnavailable(f"status {answer.status}")
        return answer


def _silent(origin: str) -> Server:
    return Server(
        origin=origin,
        authorize=f"{origin}/oauth/authorize",
        token=f"{origin}/oauth/token",
        revoke=f"{origin}/oauth/revoke",
        userinfo="",
        scope=READ_ACCOUNTS,
        issuer="",
        binds_codes=False,
    )


def _own_address(told: Mapping[str, Any], name: str, usual: str, origin: str) -> str:
    """An address of the metadata, at the server itself. Raises ChannelRefused for any other."""
    address = str(told.get(name) or usual)
    if not address:
        return ""
    parts, own = urlsplit(address), urlsplit(origin)
    if (parts.scheme, site_of(address)) != (own.scheme, site_of(origin)) or len(address) > LONGEST_ADDRESS:
        raise ChannelRefused("address_of_another_server")
    return address
