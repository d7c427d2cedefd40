"""The outbound client goes where it may, and nowhere else: spellings, rebinding, redirects, certificates."""

import asyncio
import datetime as dt
import ssl
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outbound import (
    OutboundClient,
    OutboundDenied,
    OutboundError,
    OutboundFailed,
    check_address,
)
from tests.app.outbound_corpus import DENIED_ADDRESSES, DENIED_URLS
from tests.app.outbound_server import Names, listening, ok, plain

PUBLIC_V4 = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


def test_corpus_has_at_least_sixty_spellings() -> None:
    assert len(set(DENIED_ADDRESSES)) >= 60
    assert len(set(DENIED_URLS)) >= 50


@pytest.mark.parametrize("address", DENIED_ADDRESSES)
def test_special_address_is_refused(address: str) -> None:
    with pytest.raises(OutboundDenied):
        check_address(address)


@pytest.mark.parametrize("address", [PUBLIC_V4, PUBLIC_V6, "1.1.1.1", "2a00:1450:4002::1"])
def test_public_address_passes(address: str) -> None:
    assert check_address(address) == ip_address(address)


@pytest.mark.parametrize("address", DENIED_ADDRESSES)
async def test_name_with_special_address_is_refused_even_beside_a_public_one(address: str) -> None:
    client = OutboundClient(resolver=Names([PUBLIC_V4, address]))
    with pytest.raises(OutboundDenied):
        await client.request("GET", "https://example.com/")


@pytest.mark.parametrize("url", DENIED_URLS)
async def test_odd_spelling_is_refused_without_a_look_up(url: str) -> None:
    names = Names(["127.0.0.1"])
    with pytest.raises(OutboundDenied):
        await OutboundClient(resolver=names).request("GET", url)
    assert names.asked == []


async def test_system_resolver_does_not_let_loopback_through() -> None:
    with pytest.raises(OutboundDenied):
        await OutboundClient().request("GET", "https://localhost/")


async def test_name_is_resolved_once_and_the_checked_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    async def refuse(self: object, factory: object, host: str, port: int, **_: object) -> None:
        connected.append(host)
        raise OSError

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "create_connection", refuse)
    names = Names([PUBLIC_V4], ["127.0.0.1"])
    with pytest.raises(OutboundFailed):
        await OutboundClient(resolver=names).request("GET", "https://rebinding.example/")
    assert names.asked == ["rebinding.example"]
    assert connected == [PUBLIC_V4]


async def test_mapping_is_for_exactly_that_name_scheme_and_port() -> None:
    async with listening(ok()) as (port, heads):
        client = plain(port, resolver=Names(["127.0.0.1"]))
        for url in (
            f"http://127.0.0.1:{port}/",
            f"http://other.localhost:{port}/",
            f"http://square.localhost.example:{port}/",
            f"http://square.localhost:{port + 1}/",
            "http://square.localhost/",
            f"https://square.localhost:{port}/",
        ):
            with pytest.raises(OutboundDenied):
                await client.request("GET", url)
        assert heads == []
        assert (await client.request("GET", f"http://SQUARE.localhost:{port}/a?b=c")).json() == {}
    assert heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert f"host: square.localhost:{port}\r\n".encode() in heads[0].lower()


@pytest.mark.parametrize("address", ["10.0.0.1", PUBLIC_V4, "0.0.0.0"])
def test_plain_http_is_never_mapped_off_the_machine(address: str) -> None:
    with pytest.raises(ValueError, match=r"plain HTTP|unicast"):
        OutboundClient(http_hosts={"square.localhost": (address, 80)})


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"])
def test_mapped_host_is_never_metadata_or_multicast(address: str) -> None:
    with pytest.raises(ValueError, match="unicast"):
        OutboundClient(hosts={"directory.bank.example": (address, 443)})


def test_tls_without_checks_is_refused() -> None:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    with pytest.raises(ValueError, match="certificates"):
        OutboundClient(tls=tls)


async def test_redirect_is_handed_back_and_not_followed() -> None:
    async with listening(ok()) as (inner, inside):
        location = f"location: http://127.0.0.1:{inner}/".encode()
        async with listening(ok(b"", location, status=b"302 Found")) as (port, _):
            response = await plain(port).request("GET", f"http://square.localhost:{port}/")
    assert response.status == 302
    assert inside == []


async def test_request_carries_form_json_and_basic_credentials() -> None:
    bodies: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await reader.read(1000))
        writer.write(ok())

    async with listening(echo) as (port, heads):
        client, url = plain(port), f"http://square.localhost:{port}/t"
        await client.request("POST", url, data={"a": "è&"}, auth=("id", "secret"))
        await client.request("POST", url, json={"a": [1]}, headers={"Authorization": "Bearer x"})
    assert bodies == [b"a=%C3%A8%26", b'{"a":[1]}']
    assert b"authorization: basic awq6c2vjcmv0" in heads[0].lower()
    assert b"authorization: bearer x" in heads[1].lower()
    assert b"accept-encoding: identity" in heads[0].lower()


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Cookie", "Accept-Encoding"])
async def test_framing_headers_are_not_the_callers(name: str) -> None:
    with pytest.raises(OutboundDenied):
        await plain(80).request("GET", "http://square.localhost/", headers={name: "1"})


async def test_header_injection_is_refused() -> None:
    async with listening(ok()) as (port, heads):
        with pytest.raises(OutboundError):
            await plain(port).request("GET", f"http://square.localhost:{port}/", headers={"X-A": "1\r\nX-B: 2"})
    assert heads == []


async def test_cookies_are_neither_kept_nor_shown() -> None:
    async with listening(ok(b"{}", b"set-cookie: a=b")) as (port, heads):
        client = plain(port)
        for _ in range(2):
            response = await client.request("GET", f"http://square.localhost:{port}/")
            assert "set-cookie" not in response.headers
    assert len(heads) == 2
    assert all(b"cookie" not in head.lower() for head in heads)


async def test_environment_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(ok()) as (proxy, seen), listening(ok()) as (port, _):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        await plain(port).request("GET", f"http://square.localhost:{port}/")
    assert seen == []


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("social.example", "https://social.example"),
        ("Social.Example:8443", "https://social.example:8443"),
        ("square.localhost", "http://square.localhost:8104"),
        ("square.localhost:8104", "http://square.localhost:8104"),
        ("square.localhost:8105", "https://square.localhost:8105"),
        ("127.0.0.2", "http://127.0.0.2"),
        ("127.0.0.3", "https://127.0.0.3"),
    ],
)
def test_only_a_mapped_name_is_reached_by_plain_http(site: str, origin: str) -> None:
    mapped = {"square.localhost": ("127.0.0.1", 8104), "127.0.0.2": ("127.0.0.2", 80)}
    assert OutboundClient(http_hosts=mapped).origin_of(site) == origin


async def test_strangers_names_reach_none_of_the_banks_own_services() -> None:
    names = Names(["10.0.0.5"])
    client = OutboundClient(hosts={"directory.bank.example": ("127.0.0.1", 443)}, resolver=names)
    with pytest.raises(OutboundDenied):
        await client.to_strangers().request("GET", "https://directory.bank.example/")
    assert names.asked == ["directory.bank.example"]
    with pytest.raises(OutboundFailed):
        await client.request("GET", "https://directory.bank.example/")
    assert names.asked == ["directory.bank.example"]


async def test_each_request_looks_the_name_up_again_and_is_judged_by_its_own_answers() -> None:
    """A name that changes between two calls of one sign-in gets no further than one that was private from the start."""
    names = Names([PUBLIC_V4, "64:ff9b::7f00:1"], ["2002:7f00:1::"], ["::ffff:10.0.0.1"], ["169.254.169.254"])
    client = OutboundClient(resolver=names)
    for _ in range(4):
        with pytest.raises(OutboundDenied):
            await client.request("GET", "https://rebinding.example/")
    assert len(names.asked) == 4


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and key for `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


@pytest.mark.parametrize(("name", "trusted"), [("kyc.example", True), ("other.example", False)])
async def test_certificate_is_checked_against_the_name_not_the_address(
    tmp_path: Path, name: str, trusted: bool
) -> None:
    pem, secret = certificate(tmp_path, "kyc.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, secret)
    indicated: list[str | None] = []
    server.sni_callback = lambda _socket, sni, _context: indicated.append(sni)
    async with listening(ok(), server) as (port, heads):
        client = OutboundClient(hosts={name: ("127.0.0.1", port)}, tls=ssl.create_default_context(cafile=str(pem)))
        if trusted:
            assert (await client.request("GET", f"https://{name}:{port}/")).status == 200
            assert f"host: {name}:{port}".encode() in heads[0].lower()
        else:
            with pytest.raises(OutboundFailed):
                await client.request("GET", f"https://{name}:{port}/")
            assert heads == []
    assert indicated == [name]


def test_every_ipv4_network_in_use_is_judged_like_the_registry() -> None:
    """One address of each /8: private and special blocks are refused, the others pass."""
    special = {0, 10, 127, *range(224, 256)}
    for first in range(256):
        address = IPv4Address((first << 24) + 0x00020304)
        if first in special:
            with pytest.raises(OutboundDenied):
                check_address(str(address))
        else:
            check_address(str(address))
