"""Names of the AT Protocol as its specifications spell them; what is none never reaches a name server."""

from __future__ import annotations

import pytest

from app.channels.atproto_identity import is_did, is_handle, origin_in, tidy_account
from app.channels.ports import AccountNotNamed, ChannelRefused
from app.outbound import OutboundClient


@pytest.mark.parametrize(
    "handle",
    ["jay.bsky.social", "8.cn", "name.t--t", "xx.lcs.mit.edu", "a.co", "xn--notarealidn.com", "xn--fiqa61au8b7zsevnm8ak20mc4a87e.xn--fiqs8s",
     "john.test", f"{'a' * 63}.test", f"{'a.' * 120}test"],
)  # fmt: skip
def test_a_handle_is_a_host_name(handle: str) -> None:
    assert is_handle(handle)
    assert tidy_account(f" @{handle.upper()} ") == handle


@pytest.mark.parametrize(
    "text",
    ["", "org", "name.org.", ".name.org", "jo@hn.test", "john..test", "xn--bcher-.tld", "john.0", "cn.8", "127.0.0.1", "[::1]",
     "www.masełkowski.pl.com", "a b.test", "a_b.test", "-a.test", "a-.test", f"{'a' * 64}.test", f"{'a.' * 125}test",
     "laptop.local", "blah.arpa", "x.onion", "x.internal", "x.localhost", "handle.invalid", "x.example", "x.alt", "name.test\n.x",
     "name.test/path", "name.test:80", "http://name.test"],
)  # fmt: skip
def test_what_is_no_handle_is_said_so(text: str) -> None:
    assert not is_handle(text)
    with pytest.raises(AccountNotNamed):
        tidy_account(text)


@pytest.mark.parametrize("did", ["did:plc:z72i7hdynmk6r22z27h6tvur", "did:web:name.example.org"])
def test_a_did_is_of_one_of_two_methods(did: str) -> None:
    assert is_did(did)
    assert tidy_account(f"at://{did}/") == did


@pytest.mark.parametrize(
    "text",
    ["did:plc:short", "did:plc:z72i7hdynmk6r22z27h6tvu1", "did:plc:z72i7hdynmk6r22z27h6tvurr", "did:web:localhost%3A80", "did:web:a.test:path",
     "did:web:", "did:web:127.0.0.1", "did:key:z6Mk", "did:plc:z72i7hdynmk6r22z27h6tvur#x", "did:web:a.test/../b"],
)  # fmt: skip
def test_what_is_no_did_is_said_so(text: str) -> None:
    assert not is_did(text)
    with pytest.raises(AccountNotNamed):
        tidy_account(text)


@pytest.mark.parametrize(
    "address",
    ["https://pds.example.org", "https://PDS.example.org/", "https://pds.example.org:8443", "http://pds.test:81"],
)
def test_an_origin_is_taken_as_it_is(address: str) -> None:
    outbound = OutboundClient(http_hosts={"pds.test": ("127.0.0.1", 81)})
    assert origin_in(outbound, address) == address.lower().removesuffix("/")


@pytest.mark.parametrize(
    "address",
    ["http://pds.example.org", "https://pds.example.org/path", "https://pds.example.org?x", "https://pds.example.org#x", "https://u@pds.example.org",
     "https://", "//pds.example.org", "ftp://pds.example.org", "pds.example.org", "https://[::1", "http://pds.test:82", None, 7, "https://" + "a" * 400],
)  # fmt: skip
def test_what_is_more_or_less_than_an_origin_is_refused(address: object) -> None:
    outbound = OutboundClient(http_hosts={"pds.test": ("127.0.0.1", 81)})
    with pytest.raises(ChannelRefused):
        origin_in(outbound, address)
