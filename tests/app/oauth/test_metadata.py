"""A server is believed about its own issuer, and its endpoints lie where nothing leaves in the clear."""

from __future__ import annotations

from typing import Any

import pytest

from app.oauth.errors import OAuthRefused
from app.oauth.metadata import read_metadata
from tests.support.scripted_openid import ISSUER, metadata


def test_what_a_server_offers_is_read() -> None:
    found = read_metadata(metadata(), ISSUER)
    assert (found.issuer, found.authorize, found.token) == (ISSUER, f"{ISSUER}/auth", f"{ISSUER}/token")
    assert (found.push, found.userinfo, found.revoke) == (f"{ISSUER}/par", f"{ISSUER}/me", f"{ISSUER}/revoke")
    assert found.names_itself
    assert found.takes_signed_requests
    assert found.binds_tokens
    assert found.takes_claims


def test_what_it_does_not_offer_is_off() -> None:
    bare = {name: metadata()[name] for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")}
    found = read_metadata(bare, ISSUER)
    assert (found.push, found.userinfo, found.revoke) == ("", "", "")
    assert {found.names_itself, found.takes_signed_requests, found.binds_tokens, found.takes_claims} == {False}


def test_a_part_that_we_cannot_do_is_off() -> None:
    found = read_metadata(
        metadata(
            dpop_signing_alg_values_supported=["RS256"], request_object_signing_alg_values_supported=["RS256", "none"]
        ),
        ISSUER,
    )
    assert (found.binds_tokens, found.takes_signed_requests) == (False, False)


@pytest.mark.parametrize(
    "issuer", ["https://other.example", f"{ISSUER}/", ISSUER.upper(), f"{ISSUER}.attacker.example", None, [ISSUER]]
)
def test_a_document_about_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(OAuthRefused) as refused:
        read_metadata(metadata(issuer=issuer), ISSUER)
    assert refused.value.reason == "metadata_of_another_issuer"


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(OAuthRefused):
        read_metadata(document, ISSUER)


@pytest.mark.parametrize("methods", [["plain"], [], "S256", None])
def test_a_server_without_pkce_by_s256_is_refused(methods: object) -> None:
    document = {**metadata(), "code_challenge_methods_supported": methods}
    with pytest.raises(OAuthRefused) as refused:
        read_metadata(document, ISSUER)
    assert refused.value.reason == "no_pkce"


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "address",
    ["http://id.example/x", "//id.example/x", "https://", "https://user@id.example/x", "https://id.example/#x",
     "https://[id.example/", "javascript:alert(1)", 7, "https://id.example/" + "x" * 500, "https://id.example/\n"],
)  # fmt: skip
def test_an_endpoint_that_is_no_address_of_https_is_refused(name: str, address: object) -> None:
    with pytest.raises(OAuthRefused) as refused:
        read_metadata(metadata(**{name: address}), ISSUER)
    assert refused.value.reason == "metadata_incomplete"


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_endpoint_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(OAuthRefused):
        read_metadata(metadata(**{name: None}), ISSUER)
