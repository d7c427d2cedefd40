"""Forged returns from a platform where somebody proves an account: callback, ID token, and what userinfo says."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, Final, cast

from app.channels.openid_sign_in import OpenIdSignIn
from app.channels.ports import SignInAnswer, Subject
from app.services import Services
from security.id_tokens import LONGEST_SUBJECT
from security.jwts import SigningKey
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_openid import ISSUER, NOW, ScriptedProvider, answer

NONCE: Final = "the-nonce-of-this-redirect"
REDIRECT: Final = "https://chat.bank.example/signin/platform/callback"
MEMO: Final = {"nonce": NONCE, "key": json.dumps(SigningKey.new().private_jwk()), "names_itself": "True"}
SERVICES: Final = cast(Services, SimpleNamespace(clock=lambda: NOW))


def signed_in(*, openid: bool = True, **parts: Any) -> Subject:
    """Come back from a platform that differs from a right one in these parts."""
    platform = ScriptedProvider(**parts)
    platform.nonce = NONCE
    sign_in = OpenIdSignIn(platform.client(), "platform", ISSUER, openid=openid)
    return asyncio.run(sign_in.finish(SERVICES, SignInAnswer("c", ISSUER, "v", REDIRECT, MEMO)))


def told(**claims: Any) -> Subject:
    """Come back from a platform without ID tokens, whose userinfo says this."""
    return signed_in(openid=False, told=claims)


def called_back(issuer: str | None, *, names_itself: bool = True) -> None:
    """A callback in this name, from a platform that promised to name itself, or did not."""
    sign_in = OpenIdSignIn(ScriptedProvider().client(), "platform", ISSUER)
    if not sign_in.is_issuer(MEMO | {"names_itself": str(names_itself)}, issuer):
        raise Fruitless("not_the_issuer")


def _shown(handle: object, as_it_is: str) -> Subject:
    """A name for display; the account is another matter."""
    found = told(preferred_username=handle)
    if found.handle == found.display_name == as_it_is and found.immutable_id == "u-1":
        raise Fruitless("shown_tidily")
    return found


FORGERIES: Final[dict[str, Forgery]] = {
    "a callback in another's name": Forgery(lambda: called_back("https://other.example"), "not_the_issuer"),
    "a callback in another's name, of one who names nobody": Forgery(
        lambda: called_back("https://other.example", names_itself=False), "not_the_issuer"
    ),
    "a callback in no name, of one who always names himself": Forgery(lambda: called_back(None), "not_the_issuer"),
    "an ID token of another sign-in": Forgery(lambda: signed_in(claims={"nonce": "of-another"}), "token_nonce"),
    "an ID token of another platform": Forgery(lambda: signed_in(claims={"iss": "https://other.example"}), "token_issuer"),
    "an ID token for another client": Forgery(lambda: signed_in(claims={"aud": "other"}), "token_audience"),
    "an ID token beside another access token": Forgery(lambda: signed_in(claims={"at_hash": "A" * 22}), "token_at_hash"),
    "an ID token by a stranger": Forgery(
        lambda: signed_in(tokens={"id_token": SigningKey.new().sign({"iss": ISSUER}, typ="JWT")}), "token_unknown_signer"
    ),
    "no ID token": Forgery(lambda: signed_in(tokens={"id_token": None}), "no_id_token"),
    "a bearer token in place of a bound one": Forgery(lambda: signed_in(tokens={"token_type": "Bearer"}), "token_not_bound"),
    "a code that was refused": Forgery(lambda: signed_in(faults={"/token": answer({}, 400)}), "code_refused"),
    "userinfo about nobody": Forgery(lambda: told(sub=None), "nobody_named"),
    "userinfo about a number": Forgery(lambda: told(sub=7), "nobody_named"),
    "userinfo about an empty name": Forgery(lambda: told(sub=""), "nobody_named"),
    "userinfo about a name without end": Forgery(lambda: told(sub="x" * (LONGEST_SUBJECT + 1)), "nobody_named"),
    "a name for display that is a number": Forgery(lambda: _shown(7, "u-1"), "shown_tidily"),
    "a name for display that turns the line": Forgery(lambda: _shown("giulia\u202e\n", "giulia"), "shown_tidily"),
}  # fmt: skip
