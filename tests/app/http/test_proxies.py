"""The client's address is believed from a listed proxy only, and only up to the right-most foreign hop."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.http.proxies import ProxyRule, TrustedProxies, network_of

PROXY = "10.0.0.7"


async def client_seen(peer: str, forwarded: list[str], networks: list[str]) -> str:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    await TrustedProxies(app, networks=networks)(scope, None, None)  # type: ignore[arg-type]
    return str(seen[0])


@pytest.mark.parametrize(
    ("peer", "forwarded", "networks", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], ["10.0.0.0/8"], "203.0.113.9"),
        (PROXY, ["198.51.100.1"], ["10.0.0.0/8"], "198.51.100.1"),
        (PROXY, ["6.6.6.6, 198.51.100.1"], ["10.0.0.0/8"], "198.51.100.1"),
        (PROXY, ["6.6.6.6", "198.51.100.1, 10.0.0.8"], ["10.0.0.0/8"], "198.51.100.1"),
        (PROXY, ["10.0.0.8"], ["10.0.0.0/8"], PROXY),
        (PROXY, [], ["10.0.0.0/8"], PROXY),
        (PROXY, ["198.51.100.1, <script>"], ["10.0.0.0/8"], PROXY),
        ("::1", ["2001:db8::5"], ["::1/128", "10.0.0.0/8"], "2001:db8::5"),
    ],
)
async def test_only_a_listed_proxy_may_say_who_is_asking(
    peer: str, forwarded: list[str], networks: list[str], expected: str
) -> None:
    assert await client_seen(peer, forwarded, networks) == expected


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("::ffff:cb00:714d", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_visitors_network_is_a_24_or_a_56(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    "hop",
    ["10.1.2.3", "10.1.2.256", "10.01.2.3", "10.1.2", "0x0a.1.2.3", "10.1.2.3 ", "", "1e1.1.2.3", "١٠.1.2.3", "1\0"],
)
def test_the_short_way_takes_the_same_texts_for_an_address_as_the_library(hop: str) -> None:
    try:
        expected: str | None = str(ip_address(hop.strip()))
    except ValueError:
        expected = None
    assert ProxyRule(["192.0.2.0/24"]).client_of("192.0.2.1", [f"6.6.6.6, {hop}"]) == expected


@pytest.mark.parametrize("networks", [["0.0.0.0/0"], ["192.0.2.128/25"], ["192.0.2.200/32", "10.0.0.0/8"], ["::/0"]])
@pytest.mark.parametrize("peer", ["192.0.2.200", "192.0.2.100", "10.255.0.1", "::1"])
def test_the_short_way_lists_the_same_proxies_as_the_library(peer: str, networks: list[str]) -> None:
    listed = any(ip_address(peer) in ip_network(one) for one in networks)
    assert ProxyRule(networks)._is_listed(peer) == listed
