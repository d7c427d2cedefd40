"""The one HTTP client for everything that leaves the house, and the guard against server-side request forgery.

A name is resolved once, every answer must be a public address, and the connection goes to a checked address while TLS
and Host keep the name. Private services are reached only under names that the operator has mapped to a fixed address.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx2

from app.errors import Unavailable

MAX_BODY = 64 * 1024
MAX_ADDRESSES_TRIED = 3
HTTPS_PORT = 443
HTTP_PORT = 80
MAX_PORT = 65535
MAX_URL = 2000

# The client library writes each URL to its log, and a URL may carry a token.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
Address = IPv4Address | IPv6Address


class OutboundError(Unavailable):
    """Another service could not be used. `reason` is for our logs and holds no text from outside."""

    code = "outbound_failed"
    message = "Another service that we need could not be reached. Nothing was stored; please try again shortly."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class OutboundDenied(OutboundError):
    """The guard refuses this address; nothing was sent."""

    code = "outbound_denied"


class OutboundTimeout(OutboundError):
    """The whole exchange did not end in time; the other side may have acted on it."""

    code = "outbound_timeout"


class OutboundFailed(OutboundError):
    """No connection, broken TLS or an answer that is not understood."""


class OutboundTooLarge(OutboundError):
    """The answer is larger than `MAX_BODY`. `link` is its Link header: the way past a page that cannot be read."""

    code = "outbound_too_large"

    def __init__(self, reason: str, link: str = "") -> None:
        super().__init__(reason)
        self.link = link


# RFC 6890 and the IANA special-purpose registries. `ipaddress.is_global` lets several of them pass (NAT64, 6to4,
# ::/96, fec0::/10, 192.0.0.0/24), and cloud metadata hides behind a public-looking address of its own.
_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
)
# Only 2000::/3 is handed out as global unicast; what lies outside (mapped, compatible, NAT64, unique local, link local,
# site local, multicast) needs no list.
_UNICAST_V6 = IPv6Network("2000::/3")
_DENIED_V6 = tuple(
    IPv6Network(text) for text in ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"]
)

# A last label of digits, or of 0x…, is an address in disguise (127.1, 2130706433, 0x7f.1) to many resolvers.
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HEX_LABEL = re.compile(r"0x[0-9a-f]*")
_FORBIDDEN_IN_URL = re.compile(r"[^\x21-\x7e]|[\\<>\"`{}|^]")
_OWN_HEADERS = frozenset(
    [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "cookie",
        "te",
        "upgrade",
        "expect",
        "proxy-authorization",
    ]
)


def check_address(text: str) -> Address:
    """The address, when it is public; raises OutboundDenied for every other one."""
    try:
        address = ip_address(text)
    except ValueError:
        raise OutboundDenied("address_unreadable") from None
    if isinstance(address, IPv4Address):
        allowed = address.is_global and not any(address in network for network in _DENIED_V4)
    else:
        allowed = (
            address.scope_id is None
            and address.is_global
            and address in _UNICAST_V6
            and not any(address in network for network in _DENIED_V6)
        )
    if not allowed:
        raise OutboundDenied("address_not_public")
    return address


@dataclass(frozen=True)
class OutboundResponse:
    """The answer: `headers` by lower-case name without cookies, `body` at most `MAX_BODY` bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises OutboundFailed when it is not."""
        try:
            return jsonlib.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            raise OutboundFailed("answer_not_json") from None


@dataclass(frozen=True)
class _Target:
    url: SplitResult
    host: str
    port: int
    addresses: Sequence[str]

    def pinned_url(self, address: str) -> str:
        literal = f"[{address}]" if ":" in address else address
        path = self.url.path or "/"
        query = f"?{self.url.query}" if self.url.query else ""
        return f"{self.url.scheme}://{literal}:{self.port}{path}{query}"

    def host_header(self) -> str:
        default = HTTPS_PORT if self.url.scheme == "https" else HTTP_PORT
        return self.host if self.port == default else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class _Call:
    method: str
    headers: dict[str, str]
    content: dict[str, Any]
    auth: tuple[str, str] | None
    max_body: int


# Threads of its own: a name server that hangs must not take the default pool away from everything else.
_resolving = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


async def resolve_by_system(host: str, port: int) -> list[str]:
    """All addresses the operating system knows for the name, in its order, without repeats."""
    loop = asyncio.get_running_loop()
    answers = await loop.run_in_executor(
        _resolving, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    )
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class OutboundClient:
    """HTTPS to public addresses only, no redirects, no cookies, no environment, at most 64 KiB and `timeout` seconds.

    `hosts` maps a name to the fixed (address, port) of a service that the operator runs; `http_hosts` does the same
    for plain HTTP and takes loopback addresses only. A URL must name exactly that port. Nothing else lifts the guard.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[str, tuple[str, int]] | None = None,
        http_hosts: Mapping[str, tuple[str, int]] | None = None,
        ports: Sequence[int] = (HTTPS_PORT,),
        resolver: Resolver | None = None,
        timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = {name.lower(): _fixed(pair) for name, pair in (hosts or {}).items()}
        self._http_hosts = {name.lower(): _fixed(pair) for name, pair in (http_hosts or {}).items()}
        if not all(ip_address(address).is_loopback for address, _ in self._http_hosts.values()):
            raise ValueError("plain HTTP never leaves this machine")
        self._ports = frozenset(ports)
        self._resolver = resolver or resolve_by_system
        self._timeout = timeout
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        if self._tls.verify_mode is not ssl.CERT_REQUIRED or not self._tls.check_hostname:
            raise ValueError("the TLS context must check certificates and names")

    def to_strangers(self) -> OutboundClient:
        """A client for names that strangers choose: none of `hosts` is reached by it, the bank's own services least."""
        strangers = copy(self)
        strangers._hosts = {}
        return strangers

    def origin_of(self, site: str) -> str:
        """Where a server known by name only (`name` or `name:port`) is reached: HTTPS, except for `http_hosts`."""
        name, _, port = site.lower().partition(":")
        mapped = self._http_hosts.get(name)
        if mapped is None or port not in ("", str(mapped[1])):
            return f"https://{site.lower()}"
        return f"http://{name}" if mapped[1] == HTTP_PORT else f"http://{name}:{mapped[1]}"

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - one deadline over look-up, connection, TLS and body
        max_body: int = MAX_BODY,
    ) -> OutboundResponse:
        """One exchange; `timeout` is in seconds for all of it, look-up included. A redirect is an answer like any.

        `auth` is sent as HTTP Basic, `data` as a form, `json` as JSON. Raises OutboundError and nothing else.
        `max_body` above `MAX_BODY` is for servers that the settings name, never for one that a visitor named.
        """
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if _OWN_HEADERS & sent.keys():
            raise OutboundDenied("header_not_yours")
        sent |= {"accept-encoding": "identity", "connection": "close", "user-agent": "riserbo"}
        content: dict[str, Any] = (
            {"json": json} if json is not None else {"data": dict(data)} if data is not None else {}
        )
        try:
            async with asyncio.timeout(timeout or self._timeout):
                target = await self._target(url)
                return await self._exchange(target, _Call(method, sent, content, auth, max_body))
        except (TimeoutError, httpx2.TimeoutException):
            raise OutboundTimeout("timeout") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            raise OutboundFailed(type(error).__name__) from None

    async def _target(self, url: str) -> _Target:
        if len(url) > MAX_URL or _FORBIDDEN_IN_URL.search(url):
            raise OutboundDenied("url_unreadable")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise OutboundDenied("url_unreadable") from None
        if parts.scheme not in ("https", "http") or "@" in parts.netloc or parts.fragment:
            raise OutboundDenied("url_not_allowed")
        secure = parts.scheme == "https"
        port = (HTTPS_PORT if secure else HTTP_PORT) if port is None else port
        fixed = (self._hosts if secure else self._http_hosts).get(host)
        if fixed is None and not secure:
            raise OutboundDenied("scheme_not_allowed")
        if port not in (self._ports if fixed is None else (fixed[1],)):
            raise OutboundDenied("port_not_allowed")
        addresses = await self._resolve(host, port) if fixed is None else [fixed[0]]
        return _Target(parts, host, port, addresses)

    async def _resolve(self, host: str, port: int) -> list[str]:
        if not _NAME.fullmatch(host) or _HEX_LABEL.fullmatch(host.rpartition(".")[2]):
            raise OutboundDenied("host_not_a_name")
        try:
            answers = await self._resolver(host, port)
        except (OSError, UnicodeError):
            raise OutboundFailed("name_not_found") from None
        if not answers:
            raise OutboundFailed("name_not_found")
        # One bad answer spoils all: an attacker mixes a public address in to be let through.
        return [str(check_address(answer)) for answer in answers]

    async def _exchange(self, target: _Target, call: _Call) -> OutboundResponse:
        # A client per exchange: a pooled connection belongs to an address, and TLS was checked for one name only.
        async with httpx2.AsyncClient(
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            http2=False,
        ) as client:
            last: Exception = httpx2.ConnectError("no address")
            for address in target.addresses[:MAX_ADDRESSES_TRIED]:
                request = client.build_request(
                    call.method,
                    target.pinned_url(address),
                    headers=call.headers | {"host": target.host_header()},
                    extensions={"sni_hostname": target.host},
                    **call.content,
                )
                auth = httpx2.BasicAuth(*call.auth) if call.auth else None
                try:
                    response = await client.send(request, stream=True, auth=auth)
                except httpx2.ConnectError as error:
                    last = error
                    continue
                return await _read(response, call.max_body)
            raise last


async def _read(response: httpx2.Response, max_body: int) -> OutboundResponse:
    try:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            # We asked for none; a compressed answer is a mistake or a bomb.
            raise OutboundFailed("answer_compressed")
        declared = response.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > max_body:
            raise OutboundTooLarge("answer_too_large", response.headers.get("link", ""))
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_body:
                raise OutboundTooLarge("answer_too_large", response.headers.get("link", ""))
    finally:
        await response.aclose()
    headers = {name: value for name, value in response.headers.items() if name != "set-cookie"}
    return OutboundResponse(response.status_code, headers, bytes(body))


def _fixed(pair: tuple[str, int]) -> tuple[str, int]:
    address, port = ip_address(pair[0]), pair[1]
    if address.is_link_local or address.is_multicast or address.is_unspecified or not 0 < port <= MAX_PORT:
        raise ValueError("a mapped host needs a unicast address and a port")
    return str(address), port
