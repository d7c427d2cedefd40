"""Forged access tokens: of another kind, issuer, audience or time, and bound in ways that would go unchecked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from security.access_tokens import AccessToken, Rule, read_access_token
from security.jwts import SigningKey
from tests.security.forged_jwts import AT, ATTACKERS, NOW, OURS, by_rsa, keys
from tests.security.forgery import Forgery

ISSUER: Final = "https://login.bank.example"
AUDIENCE: Final = "https://staff.example/api/v1"
RULE: Final = Rule(ISSUER, AUDIENCE, longest=timedelta(minutes=30))
JKT: Final = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def said(**changes: Any) -> dict[str, Any]:
    """Right claims of a member of staff's token, with changes; None takes one away."""
    right = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna",
        "client_id": "console",
        "jti": "token-1",
        "iat": AT,
        "exp": AT + 300,
        "scope": "cases:read cases:work",
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def token(key: SigningKey = OURS, typ: str = "at+jwt", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A right token, with changes to its claims."""
    return key.sign(said(**changes), typ=typ, header=header)


def read(text: str | None = None, rule: Rule = RULE, **changes: Any) -> AccessToken:
    """Present a token to the real check."""
    return read_access_token(token(**changes) if text is None else text, keys(), rule, NOW)


FORGERIES: Final[dict[str, Forgery]] = {
    "by somebody else's key": Forgery(lambda: read(key=ATTACKERS, header={"kid": OURS.kid}), "signature"),
    "by a key that nobody knows": Forgery(lambda: read(key=ATTACKERS), "unknown_signer"),
    "that brings its key": Forgery(lambda: read(key=ATTACKERS, header={"jwk": ATTACKERS.bare_jwk()}), "brought_key"),
    "by the old RSA padding": Forgery(lambda: read(by_rsa(said(), "RS256", "at+jwt")), "algorithm"),
    "that is an ID token": Forgery(lambda: read(typ="JWT"), "type"),
    "that has no type": Forgery(lambda: read(typ=""), "type"),
    "that is a logout token": Forgery(lambda: read(typ="logout+jwt"), "type"),
    "that is a DPoP proof": Forgery(lambda: read(typ="dpop+jwt"), "type"),
    "of another issuer": Forgery(lambda: read(iss="https://attacker.example"), "issuer"),
    "of the issuer with a slash": Forgery(lambda: read(iss=f"{ISSUER}/"), "issuer"),
    "for another service": Forgery(lambda: read(aud="https://mail.bank.example"), "audience"),
    "for us and others": Forgery(lambda: read(aud=[AUDIENCE, "https://mail.bank.example"]), "audience"),
    "for nobody": Forgery(lambda: read(aud=None), "audience"),
    "that never ends": Forgery(lambda: read(exp=None), "expired"),
    "that has ended": Forgery(lambda: read(exp=AT - 60), "expired"),
    "that ended a moment ago": Forgery(lambda: read(exp=AT), "expired"),
    "that lives for a day": Forgery(lambda: read(exp=AT + 86400), "too_long"),
    "that was made last year": Forgery(lambda: read(iat=AT - 31_000_000), "too_old"),
    "that was made nobody knows when": Forgery(lambda: read(iat=None), "incomplete"),
    "of the future": Forgery(lambda: read(iat=AT + 3600, nbf=AT + 3600), "not_yet"),
    "without a subject": Forgery(lambda: read(sub=None), "incomplete"),
    "of an empty subject": Forgery(lambda: read(sub=""), "incomplete"),
    "of a subject that is a list": Forgery(lambda: read(sub=["anna"]), "name"),
    "of an endless subject": Forgery(lambda: read(sub="a" * 256), "name"),
    "of a subject with a line end": Forgery(lambda: read(sub="anna\n"), "name"),
    "without a client": Forgery(lambda: read(client_id=None), "incomplete"),
    "of a client that is a number": Forgery(lambda: read(client_id=7), "name"),
    "without a name of its own": Forgery(lambda: read(jti=None), "incomplete"),
    "whose name is an object": Forgery(lambda: read(jti={"a": 1}), "name"),
    "without a scope": Forgery(lambda: read(scope=None), "incomplete"),
    "with scopes in a list": Forgery(lambda: read(scope=["cases:read"]), "scope"),
    "with an empty scope among others": Forgery(lambda: read(scope="cases:read  cases:work"), "scope"),
    "with a scope of other characters": Forgery(lambda: read(scope='cases:read "cases:work"'), "scope"),
    "with endless scopes": Forgery(lambda: read(scope="a" * 2001), "scope"),
    "bound to a certificate": Forgery(lambda: read(cnf={"x5t#S256": JKT}), "binding"),
    "bound to a certificate as well": Forgery(lambda: read(cnf={"jkt": JKT, "x5t#S256": JKT}), "binding"),
    "bound to nothing": Forgery(lambda: read(cnf={}), "binding"),
    "bound to a thumbprint cut short": Forgery(lambda: read(cnf={"jkt": JKT[:-1]}), "binding"),
    "bound to a number": Forgery(lambda: read(cnf={"jkt": 7}), "binding"),
    "bound by text": Forgery(lambda: read(cnf=JKT), "binding"),
    "whose binding is nothing": Forgery(lambda: read(cnf=False), "binding"),
}
