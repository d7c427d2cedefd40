"""Forged client assertions: of another client, for another server, stored up, or of a kind that proves nothing."""

from __future__ import annotations

import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from security.client_assertions import Assertion, claimed_client, keys_of, read_assertion, registered_keys
from security.encoding import b64url
from security.jwts import SigningKey
from tests.security.forged_jwts import AT, ATTACKERS, NOW, OURS, by_rsa, raw, rsa_key
from tests.security.forgery import Forgery

US: Final = "https://staff.example"
CRM: Final = "crm"


def said(**changes: Any) -> dict[str, Any]:
    """The claims of a right assertion, with changes; None takes one away."""
    right = {"iss": CRM, "sub": CRM, "aud": US, "jti": "assertion-1", "iat": AT, "exp": AT + 60}
    return {name: value for name, value in (right | changes).items() if value is not None}


def assertion(key: SigningKey = OURS, typ: str = "JWT", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A right assertion, with changes to its claims."""
    return key.sign(said(**changes), typ=typ, header=header)


def read(text: str | None = None, **changes: Any) -> Assertion:
    """Present an assertion to the real check."""
    text = assertion(**changes) if text is None else text
    return read_assertion(text, keys_of(registered_keys(OURS.public_jwk())), CRM, US, NOW)


def short_rsa() -> dict[str, Any]:
    """A public RSA key that can be broken."""
    made = rsa.generate_private_key(65537, 1024)
    return dict(RSAKey(made, made).as_dict(private=False))


def symmetric() -> str:
    """Signed by the public key as if it were a shared secret."""
    return raw(json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"iss": CRM, "sub": CRM, "aud": US}))


def old_padding() -> Assertion:
    """By the client's own RSA key, with the padding that FAPI 2 has no place for."""
    return read_assertion(
        by_rsa(said(), "RS256"), keys_of(registered_keys(rsa_key().as_dict(private=False))), CRM, US, NOW
    )


FORGERIES: Final[dict[str, Forgery]] = {
    "by the old RSA padding": Forgery(old_padding, "algorithm"),
    "by another client's key": Forgery(lambda: read(key=ATTACKERS, header={"kid": OURS.kid}), "signature"),
    "by a key that is not registered": Forgery(lambda: read(key=ATTACKERS), "unknown_signer"),
    "that brings its key": Forgery(lambda: read(key=ATTACKERS, header={"jwk": ATTACKERS.bare_jwk()}), "brought_key"),
    "that names where its key is": Forgery(lambda: read(header={"jku": "https://attacker.example/k"}), "brought_key"),
    "by a shared secret": Forgery(lambda: read(symmetric()), "algorithm"),
    "signed by nobody": Forgery(
        lambda: read(raw(json.dumps({"alg": "none"}), json.dumps({"sub": CRM}), b"")), "algorithm"
    ),
    "that is an access token": Forgery(lambda: read(typ="at+jwt"), "type"),
    "that is a DPoP proof": Forgery(lambda: read(typ="dpop+jwt"), "type"),
    "of another client": Forgery(lambda: read(iss="erp", sub="erp"), "issuer"),
    "of a client about another": Forgery(lambda: read(sub="erp"), "subject"),
    "about the client by another": Forgery(lambda: read(iss="erp"), "issuer"),
    "for another server": Forgery(lambda: read(aud="https://login.bank.example"), "audience"),
    "for the endpoint instead of the server": Forgery(lambda: read(aud=f"{US}/oauth/token"), "audience"),
    "for us in a list": Forgery(lambda: read(aud=[US]), "audience"),
    "for us and another server": Forgery(lambda: read(aud=[US, "https://attacker.example"]), "audience"),
    "for nobody": Forgery(lambda: read(aud=None), "audience"),
    "that has ended": Forgery(lambda: read(iat=AT - 120, exp=AT - 60), "expired"),
    "that never ends": Forgery(lambda: read(exp=None), "expired"),
    "that lives for an hour": Forgery(lambda: read(exp=AT + 3600), "too_long"),
    "that lives a little too long": Forgery(lambda: read(iat=AT - 20, exp=AT + 110), "too_long"),
    "stored up since yesterday": Forgery(lambda: read(iat=AT - 86400), "too_old"),
    "made nobody knows when": Forgery(lambda: read(iat=None), "incomplete"),
    "made in advance": Forgery(lambda: read(iat=AT + 100, exp=AT + 140), "from_the_future"),
    "without a name": Forgery(lambda: read(jti=None), "incomplete"),
    "with an empty name": Forgery(lambda: read(jti=""), "incomplete"),
    "with a name that is a list": Forgery(lambda: read(jti=["a"]), "name"),
    "with an endless name": Forgery(lambda: read(jti="a" * 256), "name"),
    "without a subject, when it is asked whose it is": Forgery(lambda: claimed_client(assertion(sub=None)), "name"),
    "without a subject": Forgery(lambda: read(sub=None), "incomplete"),
    "of an empty subject": Forgery(lambda: claimed_client(assertion(sub="")), "name"),
    "of a subject that is no text": Forgery(lambda: claimed_client(assertion(sub=["crm"])), "name"),
    "of an endless subject": Forgery(lambda: claimed_client(assertion(sub="a" * 256)), "name"),
    "of no form at all": Forgery(lambda: claimed_client("crm"), "not_signed"),
    # what an operator may be talked into registering
    "registered: a private key": Forgery(lambda: registered_keys(OURS.private_jwk()), "key"),
    "registered: a shared secret": Forgery(lambda: registered_keys({"kty": "oct", "k": b64url(b"k" * 32)}), "key"),
    "registered: a short RSA key": Forgery(lambda: registered_keys(short_rsa()), "key"),
    "registered: a key to encrypt with": Forgery(lambda: registered_keys(OURS.bare_jwk() | {"use": "enc"}), "key"),
    "registered: a key of another algorithm": Forgery(
        lambda: registered_keys(rsa_key().as_dict(private=False) | {"alg": "RS256"}), "key"
    ),
    "registered: a key whose name is empty": Forgery(lambda: registered_keys(OURS.bare_jwk() | {"kid": ""}), "key"),
    "registered: a key whose name is a list": Forgery(lambda: registered_keys(OURS.bare_jwk() | {"kid": ["a"]}), "key"),
    "registered: a key whose name is endless": Forgery(
        lambda: registered_keys(OURS.bare_jwk() | {"kid": "a" * 256}), "key"
    ),
    "registered: no key": Forgery(lambda: registered_keys({"keys": []}), "keys"),
    "registered: six keys": Forgery(
        lambda: registered_keys({"keys": [SigningKey.new().bare_jwk() for _ in range(6)]}), "keys"
    ),
    "registered: one key twice": Forgery(
        lambda: registered_keys({"keys": [OURS.bare_jwk(), OURS.bare_jwk() | {"kid": "other"}]}), "keys"
    ),
    "registered: two keys of one name": Forgery(
        lambda: registered_keys({"keys": [OURS.bare_jwk() | {"kid": "a"}, ATTACKERS.bare_jwk() | {"kid": "a"}]}), "keys"
    ),
    "registered: text": Forgery(lambda: registered_keys("key"), "keys"),
    "registered: a list": Forgery(lambda: registered_keys([OURS.bare_jwk()]), "keys"),
}
