"""Forged answers of an identity provider, by every part of them: metadata, callback, tokens, userinfo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from app.binding.identity_provider import IdentityAnswer, IdentityResult, IdentityWish
from app.binding.openid_provider import LONGEST_IDENTIFIER, OpenIdProvider
from app.directory.port import IdentifierKind
from app.oauth.client import LONGEST_TOKEN, OAuthClient
from app.oauth.metadata import LONGEST_ADDRESS, ServerMetadata, read_metadata
from app.outbound import MAX_URL, OutboundResponse
from app.permissions import Level
from security.jwts import SigningKey
from security.secret import Secret
from tests.security.forgery import Forgery
from tests.support.scripted_openid import CLIENT, ISSUER, NOW, OUR_KEY, ScriptedProvider, answer, metadata

ACRS: Final = {"high": Level.L3}
NONCE: Final = "the-nonce-of-this-redirect"
REDIRECT: Final = "https://chat.bank.example/identity/id/callback"
MEMO: Final = {"dpop": json.dumps(SigningKey.new().private_jwk())}


def port(provider: ScriptedProvider) -> OpenIdProvider:
    """The relying party; the customer is named by userinfo."""
    return OpenIdProvider(
        "id", provider.client(), ACRS, claim="customer", kind=IdentifierKind.NUMBER, from_userinfo=True
    )


def returned(provider: ScriptedProvider | None = None, *, issuer: str | None = ISSUER, **parts: Any) -> IdentityResult:
    """Come back from this provider, or from one that differs from a right one in these parts."""
    asked = provider or ScriptedProvider(**parts)
    asked.nonce = NONCE
    came = IdentityAnswer(
        code="c", code_verifier="v", redirect_uri=REDIRECT, nonce=NONCE, issuer=issuer,
        begun_at=NOW - timedelta(seconds=20), now=NOW, memo=MEMO,
    )  # fmt: skip
    return asyncio.run(port(asked).finish(came))


def left(**parts: Any) -> str:
    """Leave for a provider that differs from a right one in these parts."""
    wish = IdentityWish(
        state="s", nonce=NONCE, redirect_uri=REDIRECT, code_challenge="c", purpose="entry", level=Level.L0, now=NOW,
        memo=MEMO,
    )  # fmt: skip
    return asyncio.run(port(ScriptedProvider(**parts)).begin(wish))


def described(**changes: Any) -> ServerMetadata:
    """Read metadata with these changes; None takes a part away."""
    return read_metadata(metadata(**changes), ISSUER)


def pushed(document: object, status: int = 201) -> str:
    """Leave for a provider that answers a pushed request so."""
    return left(faults={"/par": answer(document, status)})


def _told(text: bytes, kind: str = "application/json", status: int = 200) -> IdentityResult:
    return returned(faults={"/me": OutboundResponse(status, {"content-type": kind}, text)})


def _told_by(key: SigningKey, **claims: Any) -> IdentityResult:
    said = {"iss": ISSUER, "aud": CLIENT, "sub": "u-1", "customer": "C-1001"} | claims
    return _told(key.sign(said, typ="JWT").encode(), "application/jwt")


def _of_unbound(**tokens: Any) -> IdentityResult:
    return returned(metadata=metadata(dpop_signing_alg_values_supported=None), tokens=tokens)


def _keys_of(document: object) -> IdentityResult:
    return returned(faults={"/jwks": answer(document)})


def _fault(status: int, document: Mapping[str, Any], path: str) -> IdentityResult:
    return returned(faults={path: answer(document, status)})


RIGHT: Final = ScriptedProvider()

FORGERIES: Final[dict[str, Forgery]] = {
    "metadata of another issuer": Forgery(lambda: described(issuer="https://other.example"), "metadata_of_another_issuer"),
    "metadata of the issuer with a slash": Forgery(lambda: described(issuer=f"{ISSUER}/"), "metadata_of_another_issuer"),
    "metadata that are a list": Forgery(lambda: read_metadata([], ISSUER), "metadata_of_another_issuer"),
    "metadata that are refused": Forgery(
        lambda: _fault(404, metadata(), "/.well-known/openid-configuration"), "metadata_missing"
    ),
    "metadata of a server that is overloaded": Forgery(
        lambda: _fault(429, metadata(), "/.well-known/openid-configuration"), "answered 429"
    ),
    "metadata of a server that is broken": Forgery(
        lambda: _fault(503, metadata(), "/.well-known/openid-configuration"), "answered 503"
    ),
    "metadata without PKCE by S256": Forgery(
        lambda: described(code_challenge_methods_supported=["plain"]), "no_pkce"
    ),
    "metadata whose PKCE is text": Forgery(lambda: described(code_challenge_methods_supported="S256 plain"), "no_pkce"),
    "metadata without an address": Forgery(lambda: described(token_endpoint=None), "metadata_incomplete"),
    "metadata with an address that is a number": Forgery(lambda: described(token_endpoint=7), "metadata_incomplete"),
    "metadata with an address without end": Forgery(
        lambda: described(token_endpoint=f"{ISSUER}/" + "x" * LONGEST_ADDRESS), "metadata_incomplete"
    ),
    "metadata with a line end in an address": Forgery(
        lambda: described(token_endpoint=f"{ISSUER}/\x7ftoken"), "metadata_incomplete"
    ),
    "metadata with an address that is none": Forgery(
        lambda: described(token_endpoint="https://[id.example/"), "metadata_incomplete"
    ),
    "metadata with an address in the clear": Forgery(
        lambda: described(token_endpoint="http://id.example/token"), "metadata_incomplete"
    ),
    "metadata with an address of nowhere": Forgery(lambda: described(token_endpoint="https:///token"), "metadata_incomplete"),
    "metadata with a fragment": Forgery(lambda: described(token_endpoint=f"{ISSUER}/token#x"), "metadata_incomplete"),
    "metadata with a name before the host": Forgery(
        lambda: described(token_endpoint="https://id.example@attacker.example/token"), "metadata_incomplete"
    ),
    "keys that are none": Forgery(lambda: _keys_of({"keys": []}), "keys"),
    "keys that are refused": Forgery(lambda: _fault(404, {"keys": [RIGHT.key.public_jwk()]}, "/jwks"), "metadata_missing"),
    "a callback that names another provider": Forgery(lambda: returned(issuer="https://other.example"), "wrong_issuer"),
    "a callback that names nobody, of one who always does": Forgery(lambda: returned(issuer=None), "issuer_missing"),
    "a pushed request that was refused": Forgery(lambda: pushed({"request_uri": "urn:x"}, 400), "request_refused"),
    "a pushed request with a list for an answer": Forgery(lambda: pushed(["urn:x"]), "request_refused"),
    "a pushed request without an address": Forgery(lambda: pushed({}), "request_refused"),
    "a pushed request with an empty address": Forgery(lambda: pushed({"request_uri": ""}), "request_refused"),
    "a pushed request with an address without end": Forgery(
        lambda: pushed({"request_uri": "u" * (MAX_URL + 1)}), "request_refused"
    ),
    "a code that was refused": Forgery(
        lambda: _fault(400, {"access_token": "a", "id_token": "b", "token_type": "DPoP"}, "/token"), "code_refused"
    ),
    "tokens in a list": Forgery(lambda: returned(faults={"/token": answer([])}), "tokens_malformed"),
    "a bearer token in place of a bound one": Forgery(lambda: returned(tokens={"token_type": "Bearer"}), "token_not_bound"),
    "a token of no kind": Forgery(lambda: returned(tokens={"token_type": None}), "token_not_bound"),
    "a bound token where none was asked for": Forgery(lambda: _of_unbound(token_type="DPoP"), "token_not_bound"),
    "no ID token": Forgery(lambda: returned(tokens={"id_token": None}), "no_id_token"),
    "an ID token that is a number": Forgery(lambda: returned(tokens={"id_token": 7}), "tokens_malformed"),
    "no access token": Forgery(lambda: returned(tokens={"access_token": None}), "tokens_malformed"),
    "an access token with a space": Forgery(lambda: returned(tokens={"access_token": "a b"}), "tokens_malformed"),
    "an access token with a line end": Forgery(lambda: returned(tokens={"access_token": "a\r\nb"}), "tokens_malformed"),
    "an access token beyond ASCII": Forgery(lambda: returned(tokens={"access_token": "aè"}), "tokens_malformed"),
    "a refresh token without end": Forgery(
        lambda: returned(tokens={"refresh_token": "x" * (LONGEST_TOKEN + 1)}), "tokens_malformed"
    ),
    "an ID token of another sign-in": Forgery(lambda: returned(claims={"nonce": "of-another"}), "token_nonce"),
    "an ID token of another provider": Forgery(lambda: returned(claims={"iss": "https://other.example"}), "token_issuer"),
    "an ID token for another client": Forgery(lambda: returned(claims={"aud": "other"}), "token_audience"),
    "an ID token of a session of before": Forgery(
        lambda: returned(claims={"auth_time": int(NOW.timestamp()) - 3600}), "token_stale_sign_in"
    ),
    "an ID token beside another access token": Forgery(lambda: returned(claims={"at_hash": "A" * 22}), "token_at_hash"),
    "an ID token by a stranger": Forgery(
        lambda: returned(tokens={"id_token": SigningKey.new().sign({"iss": ISSUER}, typ="JWT")}), "token_unknown_signer"
    ),
    "userinfo about somebody else": Forgery(lambda: returned(told={"sub": "u-2"}), "other_subject"),
    "userinfo about nobody": Forgery(lambda: returned(told={"sub": None}), "other_subject"),
    "userinfo that names no customer": Forgery(lambda: returned(told={"customer": None}), "customer_not_named"),
    "userinfo with an empty name": Forgery(lambda: returned(told={"customer": ""}), "customer_not_named"),
    "userinfo with a number for a name": Forgery(lambda: returned(told={"customer": 7}), "customer_not_named"),
    "userinfo with a name without end": Forgery(
        lambda: returned(told={"customer": "x" * (LONGEST_IDENTIFIER + 1)}), "customer_not_named"
    ),
    "userinfo that is a list": Forgery(lambda: _told(b"[]"), "userinfo_malformed"),
    "userinfo that was refused": Forgery(
        lambda: _told(b'{"sub":"u-1","customer":"C-1001"}', status=403), "userinfo_refused"
    ),
    "userinfo from nowhere": Forgery(lambda: returned(metadata=metadata(userinfo_endpoint=None)), "no_userinfo"),
    "userinfo signed by a stranger": Forgery(lambda: _told_by(SigningKey.new()), "token_unknown_signer"),
    "an answer without a nonce where one is demanded": Forgery(lambda: returned(demands_nonces=True), "no_nonce"),
    "a client known by key and secret": Forgery(
        lambda: OAuthClient(RIGHT.client().server, CLIENT, key=OUR_KEY, secret=Secret(b"secret")), "ValueError"
    ),
}  # fmt: skip
