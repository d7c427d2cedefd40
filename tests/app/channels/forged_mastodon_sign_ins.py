"""Forgeries of servers of the fediverse that visitors name: where they lead, what they register, whom they say signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, cast
from unittest.mock import patch

from app.channels import clients
from app.channels.mastodon_api import LONGEST_URI
from app.channels.mastodon_servers import LONGEST_ADDRESS, LONGEST_SECRET, Servers
from app.channels.mastodon_sign_in import LONGEST_TOKEN, MastodonSignIn
from app.channels.ports import Departure, SignInAnswer, SignInFailed, SignInWish, Subject
from app.outbound import OutboundClient, OutboundResponse
from app.services import Services
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_openid import NOW, answer

HOME: Final = "https://social.test"
EVIL: Final = "https://evil.test"
FINGER: Final = "/.well-known/webfinger?resource=acct%3Agiulia%40social.test"
ABOUT: Final = f"{HOME}/.well-known/oauth-authorization-server"
ME: Final = f"{HOME}/api/v1/accounts/verify_credentials"
REDIRECT: Final = "https://chat.bank.example/signin/mastodon/callback"
SERVICES: Final = cast(Services, SimpleNamespace(clock=lambda: NOW))
USUAL: Final = {
    "authorize": f"{HOME}/oauth/authorize",
    "token": f"{HOME}/oauth/token",
    "revoke": f"{HOME}/oauth/revoke",
}
MEMO: Final = {
    "origin": HOME, **USUAL, "userinfo": "", "scope": "read:accounts", "issuer": "", "binds_codes": "True",
    "client_id": "c", "client_secret": "s", "redirect_uri": REDIRECT,
}  # fmt: skip
Says = Mapping[str, OutboundResponse]


def metadata(**changes: Any) -> OutboundResponse:
    """What the server says of itself; None takes a part away."""
    right = {"issuer": HOME, "token_endpoint": f"{HOME}/oauth/token", "code_challenge_methods_supported": ["S256"]}
    return answer({name: value for name, value in (right | changes).items() if value is not None})


def linked(*links: Any) -> OutboundResponse:
    """What WebFinger says of an account."""
    return answer({"links": list(links)})


def self_at(site: str, **changes: Any) -> dict[str, Any]:
    """The link to where an account lives."""
    return {"rel": "self", "href": f"https://{site}/users/giulia"} | changes


class Web:
    """Stands where the outbound client stands: one server that is right, but for what is said in its place."""

    def __init__(self, says: Says) -> None:
        self.says: Says = {
            ABOUT: metadata(),
            f"{HOME}/api/v1/apps": answer({"client_id": "c", "client_secret": "s"}),
            f"{HOME}/oauth/token": answer({"access_token": "t", "token_type": "Bearer"}),
            f"{HOME}/oauth/revoke": answer({}),
            ME: answer({"uri": f"{HOME}/users/giulia", "username": "giulia"}),
            **says,
        }

    def origin_of(self, site: str) -> str:
        """See `OutboundClient.origin_of`."""
        return f"https://{site}"

    async def request(self, _method: str, url: str, **_content: Any) -> OutboundResponse:
        """See `OutboundClient.request`."""
        return self.says.get(url, answer({}, 404))


def _web(says: Says) -> OutboundClient:
    return cast(OutboundClient, Web(says))


def home(says: Says) -> None:
    """Look for where giulia@social.test lives: there, unless somebody who may says otherwise."""
    raise Fruitless(asyncio.run(Servers(_web(says)).home_of("giulia", "social.test")))


def fingered(*links: Any, status: int = 200) -> None:
    """Her server says this of where she lives."""
    home({HOME + FINGER: answer({"links": list(links)}, status)})


def left(says: Says, kept: Mapping[str, str] | None = None, **limits: bool) -> Departure:
    """Leave for the server of the account that somebody named."""

    async def found(*_asked: object) -> Mapping[str, str] | None:
        return kept

    def allows(name: str) -> Any:
        async def allowed(*_asked: object) -> bool:
            return limits.get(name, True)

        return allowed

    wish = SignInWish("giulia@social.test", "s", "c", REDIRECT)
    stubs = {name: allows(name) for name in ("may_depart", "may_register", "keep")}
    with patch.multiple(clients, find=found, **stubs):
        return asyncio.run(MastodonSignIn("mastodon", _web(says)).begin(SERVICES, wish))


def about(document: OutboundResponse) -> Departure:
    """Leave for a server that says this of itself."""
    return left({ABOUT: document})


def registered(document: object, status: int = 200) -> Departure:
    """Leave for a server that registers us so."""
    return left({f"{HOME}/api/v1/apps": answer(document, status)})


def silent(says: Says) -> None:
    """A server that says nothing usable of itself is taken as all of its kind are."""
    server = asyncio.run(Servers(_web(says)).describe("social.test"))
    if (server.authorize, server.token, server.issuer) == (USUAL["authorize"], USUAL["token"], ""):
        raise Fruitless("as_usual")


async def _nothing(*_asked: object) -> None:
    return


def came_back(says: Says, **memo: str) -> Subject:
    """Come back from the server; why not stands in words."""
    came = SignInAnswer("c", None, "v", REDIRECT, MEMO | memo)
    try:
        with patch.object(clients, "note_proved", _nothing):
            return asyncio.run(MastodonSignIn("mastodon", _web(says)).finish(SERVICES, came))
    except SignInFailed as refused:
        raise Fruitless(str(refused)) from None


def token(status: int = 200, **changes: Any) -> Subject:
    """The code is redeemed for this."""
    return came_back({USUAL["token"]: answer({"access_token": "t", "token_type": "Bearer"} | changes, status)})


def told(document: object, status: int = 200) -> Subject:
    """The server says this of who signed in."""
    return came_back({ME: answer(document, status)})


def userinfo(**changes: Any) -> Subject:
    """The server says this of who signed in, in the words of OpenID Connect."""
    right = {"sub": f"{HOME}/users/giulia", "preferred_username": "giulia"}
    return came_back({f"{HOME}/me": answer(right | changes)}, userinfo=f"{HOME}/me")


def _named(name: str) -> Subject:
    subject = told({"uri": f"{HOME}/users/giulia", "username": name})
    if subject.handle == "giulia@social.test":
        raise Fruitless("tidied")
    return subject


def called_back(issuer: str | None, *, promised: str = "") -> None:
    """A callback in this name, of a server that promised this one."""
    if not MastodonSignIn("mastodon", _web({})).is_issuer(MEMO | {"issuer": promised}, issuer):
        raise Fruitless("not_the_issuer")


UNNAMED: Final = "the server did not say who signed in"
WAYS: Final[dict[str, Forgery]] = {
    "a home that an error page names": Forgery(lambda: fingered(self_at("evil.test"), status=404), "social.test"),
    "a home in a list": Forgery(lambda: home({HOME + FINGER: answer([])}), "social.test"),
    "a home that is a number": Forgery(lambda: fingered(7), "social.test"),
    "a home that is a picture": Forgery(lambda: fingered(self_at("evil.test", rel="avatar")), "social.test"),
    "a home of nowhere": Forgery(lambda: fingered(self_at("", href="nowhere")), "social.test"),
    "a home behind a name": Forgery(lambda: fingered(self_at("u@evil.test")), "social.test"),
    "a home behind a hop to nowhere": Forgery(
        lambda: home({HOME + FINGER: answer({}, 302, {"location": "nowhere"})}), "social.test"
    ),
    "a home behind one hop, which counts": Forgery(
        lambda: home(
            {
                HOME + FINGER: answer({}, 302, {"location": "https://web.social.test/x"}),
                "https://web.social.test" + FINGER: linked(self_at("web.social.test")),
            }
        ),
        "web.social.test",
    ),
    "a server that is overloaded": Forgery(lambda: left({ABOUT: answer({}, 429)}), "ChannelUnavailable"),
    "a server that is broken": Forgery(lambda: left({ABOUT: answer({}, 503)}), "ChannelUnavailable"),
    "a server of another issuer": Forgery(lambda: about(metadata(issuer=EVIL)), "issuer_of_another_server"),
    "a server of no issuer": Forgery(lambda: about(metadata(issuer=None)), "issuer_of_another_server"),
    "a server that an error page describes": Forgery(
        lambda: silent({ABOUT: answer({"issuer": EVIL}, 404)}), "as_usual"
    ),
    "a server that is a list": Forgery(lambda: silent({ABOUT: answer([])}), "as_usual"),
    **{
        f"a server whose {name} is another's": Forgery(
            partial(about, metadata(**{f"{name}_endpoint": f"{EVIL}/{name}"})), "address_of_another_server"
        )
        for name in ("authorization", "token", "revocation", "userinfo")
    },
    "a server with an address without end": Forgery(
        lambda: about(metadata(token_endpoint=f"{HOME}/" + "x" * LONGEST_ADDRESS)), "address_of_another_server"
    ),
    "one departure too many": Forgery(lambda: left({}, may_depart=False), "too_many_departures"),
    "one registration too many": Forgery(lambda: left({}, may_register=False), "ChannelUnavailable"),
    "a registration that was refused": Forgery(
        lambda: registered({"client_id": "c", "client_secret": "s"}, 403), "registration_refused"
    ),
    "a registration in a list": Forgery(lambda: registered([]), "registration_refused"),
    "a client that was registered for another address": Forgery(
        lambda: left({f"{HOME}/api/v1/apps": answer({}, 403)}, kept=MEMO), "registration_refused"
    ),
    "a client without a name": Forgery(lambda: registered({"client_secret": "s"}), "registration_malformed"),
    "a client without a secret": Forgery(lambda: registered({"client_id": "c"}), "registration_malformed"),
    "a client with a name without end": Forgery(
        lambda: registered({"client_id": "c" * (LONGEST_SECRET + 1), "client_secret": "s"}), "registration_malformed"
    ),
    "a client with a secret without end": Forgery(
        lambda: registered({"client_id": "c", "client_secret": "s" * (LONGEST_SECRET + 1)}), "registration_malformed"
    ),
}  # fmt: skip

RETURNS: Final[dict[str, Forgery]] = {
    "a callback in another's name": Forgery(lambda: called_back(EVIL, promised=HOME), "not_the_issuer"),
    "a callback in another's name, of one who promised none": Forgery(lambda: called_back(EVIL), "not_the_issuer"),
    "a callback in no name, of one who promised it": Forgery(lambda: called_back(None, promised=HOME), "not_the_issuer"),
    "a token that was refused": Forgery(lambda: token(400), "status 400"),
    "a token in a list": Forgery(lambda: came_back({USUAL["token"]: answer([])}), "status 200"),
    "a token that is a number": Forgery(lambda: token(access_token=7), "status 200"),
    "an empty token": Forgery(lambda: token(access_token=""), "status 200"),
    "a token without end": Forgery(lambda: token(access_token="t" * (LONGEST_TOKEN + 1)), "status 200"),
    "a token of another kind": Forgery(lambda: token(token_type="mac"), "no bearer token"),
    "a token beyond ASCII": Forgery(lambda: token(access_token="tè"), "no bearer token"),
    "a token with a line end": Forgery(lambda: token(access_token="t\r\nx"), "no bearer token"),
    "nobody": Forgery(lambda: told({}), UNNAMED),
    "nobody, in a list": Forgery(lambda: told([]), UNNAMED),
    "a number": Forgery(lambda: told({"uri": 7}), UNNAMED),
    "somebody on an error page": Forgery(lambda: told({"uri": f"{HOME}/users/giulia"}, 403), UNNAMED),
    "a name without end": Forgery(lambda: told({"uri": f"{HOME}/" + "x" * LONGEST_URI}), UNNAMED),
    "somebody of another server": Forgery(lambda: told({"uri": f"{EVIL}/users/giulia"}), "account of another server"),
    "somebody by another issuer": Forgery(lambda: userinfo(iss=EVIL), "issuer of another server"),
    "somebody of another server, by userinfo": Forgery(
        lambda: userinfo(sub=f"{EVIL}/users/giulia"), "account of another server"
    ),
    "a name for display with an address in it": Forgery(lambda: _named("giulia@\u202e/"), "tidied"),
}  # fmt: skip

FORGERIES: Final = WAYS | RETURNS
