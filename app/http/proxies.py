"""Who is really asking, when the bank's own reverse proxy stands in front.

`X-Forwarded-For` is believed only from an address that the operator listed, and then only up to the right-most hop that
is not one of those: everything further left was written by the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_HOPS: Final = 20


class TrustedProxies:
    """Sets the request's client address from the header of a trusted proxy; without `networks` it changes nothing."""

    def __init__(self, app: ASGIApp, *, networks: Sequence[str]) -> None:
        self.app = app
        self._networks = [ip_network(network) for network in networks]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its true client."""
        client = scope.get("client")
        if scope["type"] == "http" and self._networks and client is not None and self._is_trusted(client[0]):
            hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")[-MOST_HOPS:]
            found = next((hop.strip() for hop in reversed(hops) if not self._is_trusted(hop.strip())), None)
            if found is not None and _is_address(found):
                scope = {**scope, "client": (found, 0)}
        await self.app(scope, receive, send)

    def _is_trusted(self, text: str) -> bool:
        if not _is_address(text):
            return False
        address = ip_address(text)
        return any(address in network for network in self._networks if _same_family(address.version, network))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _same_family(version: int, network: IPv4Network | IPv6Network) -> bool:
    return version == network.version
