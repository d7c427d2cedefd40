"""Forged proofs of possession: of another key, request, token, moment, or of no key at all."""

from __future__ import annotations

import json
from typing import Any, Final

from security.dpop import WINDOW, Proof, verify_proof
from security.encoding import b64url
from security.jwts import SigningKey
from tests.security.forged_jwts import AT, ATTACKERS, NOW, OURS, raw
from tests.security.forgery import Forgery
from tests.security.rsa_pair import rsa_key

URL: Final = "https://staff.example/api/v1/cases"
TOKEN: Final = "a-bound-access-token"
# b64url(sha256(b"a-bound-access-token")), by another implementation
ATH: Final = "eANxjRB8RYUvMiF3rVQmdulbGPFTklY6-HTTbTOIKfQ"
NONCE: Final = "the-servers-nonce"
SHARED_SECRET: Final = {"kty": "oct", "k": b64url(b"k" * 32)}


def proof(key: SigningKey = OURS, typ: str = "dpop+jwt", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A right proof, with changes to its claims; None takes one away."""
    right = {"jti": "proof-1", "htm": "GET", "htu": URL, "iat": AT, "ath": ATH, "nonce": NONCE}
    claims = {name: value for name, value in (right | changes).items() if value is not None}
    return key.sign(claims, typ=typ, header={"jwk": key.bare_jwk()} if header is None else header)


def shown(text: str | None = None, **changes: Any) -> Proof:
    """Present a proof to the real check, beside a token that is bound to our key."""
    text = proof(**changes) if text is None else text
    return verify_proof(text, "GET", URL, NOW, jkt=OURS.kid, access_token=TOKEN, nonce=NONCE)


FORGERIES: Final[dict[str, Forgery]] = {
    "by a thief's own key": Forgery(lambda: shown(key=ATTACKERS), "bound_key"),
    "signed by a thief under the owner's key": Forgery(
        lambda: shown(key=ATTACKERS, header={"jwk": OURS.bare_jwk()}), "signature"
    ),
    "without a key": Forgery(lambda: shown(header={}), "key"),
    "with the private key in it": Forgery(lambda: shown(header={"jwk": OURS.private_jwk()}), "key"),
    "with a shared secret as key": Forgery(
        lambda: shown(raw(json.dumps({"alg": "HS256", "typ": "dpop+jwt", "jwk": SHARED_SECRET}), "{}")), "algorithm"
    ),
    "signed by nobody": Forgery(
        lambda: shown(raw(json.dumps({"alg": "none", "typ": "dpop+jwt", "jwk": OURS.bare_jwk()}), "{}", b"")), "algorithm"
    ),
    "by the old RSA padding": Forgery(
        lambda: shown(raw(json.dumps({"alg": "RS256", "typ": "dpop+jwt", "jwk": rsa_key().as_dict(private=False)}), "{}")),
        "algorithm",
    ),
    "of another type": Forgery(lambda: shown(typ="JWT"), "type"),
    "with a key's address": Forgery(
        lambda: shown(header={"jwk": OURS.bare_jwk(), "jku": "https://attacker.example/k"}), "brought_key"
    ),
    "of another method": Forgery(lambda: shown(htm="POST"), "method"),
    "of a method in another case": Forgery(lambda: shown(htm="get"), "method"),
    "for another address": Forgery(lambda: shown(htu="https://staff.example/api/v1/exports"), "address"),
    "for another host": Forgery(lambda: shown(htu="https://attacker.example/api/v1/cases"), "address"),
    "for another port": Forgery(lambda: shown(htu="https://staff.example:8443/api/v1/cases"), "address"),
    "for a plain address": Forgery(lambda: shown(htu="http://staff.example/api/v1/cases"), "address"),
    "for a path in another case": Forgery(lambda: shown(htu="https://staff.example/API/v1/cases"), "address"),
    "for no address": Forgery(lambda: shown(htu=None), "address"),
    "for a list of addresses": Forgery(lambda: shown(htu=[URL]), "address"),
    "for an address that is none": Forgery(lambda: shown(htu="https://staff.example:port/"), "address"),
    "an hour old": Forgery(lambda: shown(iat=AT - 3600), "proof_time"),
    "just too old": Forgery(lambda: shown(iat=AT - int(WINDOW.total_seconds()) - 1), "proof_time"),
    "made in advance": Forgery(lambda: shown(iat=AT + 3600), "proof_time"),
    "made at no time": Forgery(lambda: shown(iat=None), "proof_time"),
    "made at a time that is text": Forgery(lambda: shown(iat=str(AT)), "time"),
    "for another token": Forgery(lambda: shown(ath=b64url(b"\0" * 32)), "token_hash"),
    "for no token": Forgery(lambda: shown(ath=None), "token_hash"),
    "of before the nonce": Forgery(lambda: shown(nonce="the-nonce-before"), "server_nonce"),
    "without the nonce": Forgery(lambda: shown(nonce=None), "server_nonce"),
    "without a name": Forgery(lambda: shown(jti=None), "proof_id"),
    "with an empty name": Forgery(lambda: shown(jti=""), "proof_id"),
    "with a name that is a number": Forgery(lambda: shown(jti=7), "proof_id"),
    "with an endless name": Forgery(lambda: shown(jti="x" * 129), "proof_id"),
}  # fmt: skip
