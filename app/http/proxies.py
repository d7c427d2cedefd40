"""Who is really asking, when the bank's own reverse proxy stands in front.

`X-Forwarded-For` is believed only from an address that the operator listed, and then only up to the right-most hop that
is not one of those: everything further left was written by the client.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_HOPS: Final = 20


class ProxyRule:
    """The networks that may say who is asking."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]
        self._v4 = [(int(one.network_address), int(one.netmask)) for one in self._networks if one.version == 4]
        self.listed = len(self._networks)
        self._is_listed = lru_cache(maxsize=256)(self._find)

    def client_of(self, peer: str, forwarded: Iterable[str]) -> str | None:
        """The address that a listed `peer` names in its `X-Forwarded-For` values, None where the peer itself asks."""
        if not self.listed or not self._is_listed(peer):
            return None
        hops = ",".join(forwarded).split(",")[-MOST_HOPS:]
        found = next((hop.strip() for hop in reversed(hops) if not self._is_listed(hop.strip())), None)
        return found if found is not None and _is_address(found) else None

    def _find(self, text: str) -> bool:
        packed = _packed(text)
        if packed is not None:
            number = int.from_bytes(packed, "big")
            return any(number & mask == network for network, mask in self._v4)
        if not _is_address(text):
            return False
        address = ip_address(text)
        return any(address in network for network in self._networks if _same_family(address.version, network))


class TrustedProxies:
    """Sets the request's client address from the header of a trusted proxy; without `networks` it changes nothing."""

    def __init__(self, app: ASGIApp, *, networks: Sequence[str]) -> None:
        self.app = app
        self._rule = ProxyRule(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its true client."""
        client = scope.get("client")
        if scope["type"] == "http" and client is not None and self._rule.listed:
            found = self._rule.client_of(client[0], Headers(scope=scope).getlist("x-forwarded-for"))
            if found is not None:
                scope = {**scope, "client": (found, 0)}
        await self.app(scope, receive, send)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The visitor's network, /24 or /56: what is slowed, since one address may stand for many people (carrier NAT)."""
    packed = _packed(address)
    if packed is not None:
        return f"{packed[0]}.{packed[1]}.{packed[2]}.0/24"
    try:
        v6 = IPv6Address(address)
    except ValueError:
        return "unknown"
    if v6.ipv4_mapped is not None:
        # what a proxy with one socket for both kinds writes: all of IPv4 would be one network
        return network_of(str(v6.ipv4_mapped))
    return str(ip_network(f"{address}/56", strict=False))


def _packed(text: str) -> bytes | None:
    """The four bytes of an IPv4 address, None for anything else; `ipaddress` takes ten times as long."""
    try:
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def _is_address(text: str) -> bool:
    if _packed(text) is not None:
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _same_family(version: int, network: IPv4Network | IPv6Network) -> bool:
    return version == network.version
