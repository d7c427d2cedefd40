"""Forged words of an end: true tokens of another kind, provider, client or time."""

from __future__ import annotations

from typing import Any, Final

from security.jwts import SigningKey
from security.logout_tokens import EVENT, LoggedOut, verify_logout_token
from tests.security.forged_jwts import AT, ATTACKERS, ISSUER, NOW, OURS, US, keys
from tests.security.forgery import Forgery


def logout_token(key: SigningKey = OURS, typ: str = "logout+jwt", **changes: Any) -> str:
    """A right logout token, with changes to its claims; None takes one away."""
    right = {
        "iss": ISSUER, "aud": US, "sub": "u-1", "sid": "s-1", "iat": AT, "exp": AT + 120, "jti": "j-1",
        "events": {EVENT: {}},
    }  # fmt: skip
    claims = {name: value for name, value in (right | changes).items() if value is not None}
    return key.sign(claims, typ=typ)


def shown(key: SigningKey = OURS, typ: str = "logout+jwt", **changes: Any) -> LoggedOut:
    """Present a logout token to the real check."""
    return verify_logout_token(logout_token(key, typ, **changes), keys(), ISSUER, US, NOW)


FORGERIES: Final[dict[str, Forgery]] = {
    "an ID token": Forgery(lambda: shown(typ="JWT"), "type"),
    "an access token": Forgery(lambda: shown(typ="at+jwt"), "type"),
    "without a type": Forgery(lambda: shown(typ=""), "type"),
    "of another provider": Forgery(lambda: shown(iss="https://other.example"), "issuer"),
    "by another provider's key": Forgery(lambda: shown(key=ATTACKERS), "unknown_signer"),
    "for another client": Forgery(lambda: shown(aud="other"), "audience"),
    "for us and another client": Forgery(lambda: shown(aud=[US, "other"]), "audience"),
    "with a nonce": Forgery(lambda: shown(nonce="n"), "nonce"),
    "with an empty nonce": Forgery(lambda: shown(nonce=""), "nonce"),
    "without an event": Forgery(lambda: shown(events=None), "incomplete"),
    "of another event": Forgery(lambda: shown(events={"https://schemas.openid.net/event/other": {}}), "event"),
    "with events as a list": Forgery(lambda: shown(events=[EVENT]), "event"),
    "with an event that is text": Forgery(lambda: shown(events={EVENT: "yes"}), "event"),
    "about nobody": Forgery(lambda: shown(sub=None, sid=None), "nobody"),
    "about a number": Forgery(lambda: shown(sub=7), "name"),
    "about a session that is a list": Forgery(lambda: shown(sid=["s-1"]), "name"),
    "about nobody by an empty name": Forgery(lambda: shown(sub="", sid=None), "name"),
    "about an endless name": Forgery(lambda: shown(sub="x" * 256), "name"),
    "about a name with a line in it": Forgery(lambda: shown(sid="s\n1"), "name"),
    "that could come twice": Forgery(lambda: shown(jti=None), "incomplete"),
    "without an end": Forgery(lambda: shown(exp=None), "expired"),
    "that is over": Forgery(lambda: shown(exp=AT - 100), "expired"),
    "good for a day": Forgery(lambda: shown(exp=AT + 86_400), "too_long"),
    "an hour old": Forgery(lambda: shown(iat=AT - 3600), "too_old"),
    "of an unknown time": Forgery(lambda: shown(iat=None), "incomplete"),
    "of a time to come": Forgery(lambda: shown(iat=AT + 3600), "from_the_future"),
}  # fmt: skip
