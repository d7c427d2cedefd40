"""Forged answers of an identity provider: true tokens of another moment, client, person or sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from security.id_tokens import LONGEST_SUBJECT, Asked, Identity, verify_id_token, verify_userinfo
from security.jwts import SigningKey
from tests.security.forged_jwts import AT, ATTACKERS, ISSUER, NOW, OURS, US, by_rsa, keys
from tests.security.forgery import Forgery

NONCE: Final = "the-nonce-of-this-sign-in"
ACCESS_TOKEN: Final = "an-access-token"
# b64url(sha256(b"an-access-token")[:16]), by another implementation
AT_HASH: Final = "YiHPD2T9DaX5B837XJXtow"
ASKED: Final = Asked(ISSUER, US, NONCE, ("ES256",), signed_in_since=NOW - timedelta(seconds=20))
AT_LEISURE: Final = Asked(ISSUER, US, NONCE, ("ES256",))


def said(**changes: Any) -> dict[str, Any]:
    """The claims of a right ID token, with changes; None takes one away."""
    right = {
        "iss": ISSUER, "aud": US, "sub": "u-1", "iat": AT, "exp": AT + 300, "nonce": NONCE, "auth_time": AT - 5,
        "acr": "https://www.spid.gov.it/SpidL2",
    }  # fmt: skip
    return {name: value for name, value in (right | changes).items() if value is not None}


def id_token(key: SigningKey = OURS, typ: str = "JWT", **changes: Any) -> str:
    """A right ID token, with changes to its claims."""
    return key.sign(said(**changes), typ=typ)


def shown(asked: Asked = ASKED, key: SigningKey = OURS, typ: str = "JWT", **changes: Any) -> Identity:
    """Present an ID token to the real check."""
    return verify_id_token(id_token(key, typ, **changes), keys(), asked, NOW, ACCESS_TOKEN)


def told(key: SigningKey = OURS, typ: str = "JWT", **changes: Any) -> object:
    """Present a signed userinfo answer to the real check."""
    claims = {"iss": ISSUER, "aud": US, "sub": "u-1", **changes}
    token = key.sign({name: value for name, value in claims.items() if value is not None}, typ=typ)
    return verify_userinfo(token, keys(), ISSUER, US)


FORGERIES: Final[dict[str, Forgery]] = {
    "of another sign-in": Forgery(lambda: shown(nonce="the-nonce-of-another"), "nonce"),
    "without a nonce": Forgery(lambda: shown(nonce=None), "incomplete"),
    "with a nonce that is a list": Forgery(lambda: shown(nonce=[NONCE]), "nonce"),
    "with the nonce of another alphabet": Forgery(lambda: shown(nonce=NONCE.replace("o", "о")), "nonce"),
    "for another client, to us as party (authlib takes it)": Forgery(lambda: shown(aud="other", azp=US), "audience"),
    "for us and another client": Forgery(lambda: shown(aud=[US, "other"], azp=US), "audience"),
    "for us, asked for by another client": Forgery(lambda: shown(azp="other"), "party"),
    "of another provider": Forgery(lambda: shown(iss="https://other.example"), "issuer"),
    "by another provider's key": Forgery(lambda: shown(key=ATTACKERS), "unknown_signer"),
    "by an algorithm that this client did not register": Forgery(
        lambda: verify_id_token(by_rsa(said(), "RS256"), keys(), ASKED, NOW, ACCESS_TOKEN), "algorithm"
    ),
    "made nobody knows when": Forgery(lambda: shown(iat=None), "incomplete"),
    "of an access token's type": Forgery(lambda: shown(typ="at+jwt"), "type"),
    "of a logout token's type": Forgery(lambda: shown(typ="logout+jwt"), "type"),
    "a year old (authlib takes it)": Forgery(lambda: shown(iat=AT - 31_536_000), "too_old"),
    "expired a hundred seconds ago (authlib takes it)": Forgery(lambda: shown(exp=AT - 100), "expired"),
    "about nobody": Forgery(lambda: shown(sub=None), "incomplete"),
    "about a number": Forgery(lambda: shown(sub=7), "subject"),
    "about an endless name": Forgery(lambda: shown(sub="x" * (LONGEST_SUBJECT + 1)), "subject"),
    "with levels as a list": Forgery(lambda: shown(acr=["https://www.spid.gov.it/SpidL3"]), "acr"),
    "with an endless level": Forgery(lambda: shown(acr="x" * 201), "acr"),
    "beside another access token": Forgery(lambda: shown(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"),
    "of a session that was there before": Forgery(lambda: shown(auth_time=AT - 3600), "stale_sign_in"),
    "of an unknown time, where it was asked": Forgery(lambda: shown(auth_time=None), "stale_sign_in"),
    "of a sign-in to come": Forgery(lambda: shown(auth_time=AT + 3600), "from_the_future"),
    "of a sign-in at a time that is text": Forgery(lambda: shown(auth_time=str(AT)), "time"),
    "userinfo of another provider": Forgery(lambda: told(iss="https://other.example"), "issuer"),
    "userinfo for another client": Forgery(lambda: told(aud="other"), "audience"),
    "userinfo by another's key": Forgery(lambda: told(key=ATTACKERS), "unknown_signer"),
    "userinfo of an access token's type": Forgery(lambda: told(typ="at+jwt"), "type"),
    "an ID token as userinfo": Forgery(lambda: told(nonce=NONCE), "type"),
}  # fmt: skip
