"""Forgeries on the AT Protocol: names, documents, servers and tokens of strangers, each a step away from right ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, cast
from unittest.mock import patch

from app.channels import clients
from app.channels.atproto import AtprotoAccounts
from app.channels.atproto_identity import NETWORK, SCOPE, Account, Identities, origin_in, tidy_account
from app.channels.atproto_servers import issuer_of, read_profile
from app.channels.atproto_sign_in import AtprotoSignIn
from app.channels.ports import AccountNow, AccountState, Departure, SignInAnswer, SignInWish, Subject
from app.oauth.client import LONGEST_TOKEN
from app.outbound import OutboundResponse
from app.services import Services
from security.jwts import SigningKey
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_atproto import (
    DIRECTORY,
    ENTRY,
    GIULIA,
    MALLORY,
    OTHER,
    PDS,
    RESOLVER,
    ScriptedAtproto,
    document,
    metadata,
    text,
    tokens,
)
from tests.support.scripted_openid import NOW, answer

OUR_KEY: Final = SigningKey.new()
BOUND: Final = json.dumps(SigningKey.new().private_jwk())
SERVICES: Final = cast(Services, SimpleNamespace(clock=lambda: NOW))
REDIRECT: Final = "https://chat.bank.example/signin/bluesky/callback"
PROTECTED: Final = f"{PDS}/.well-known/oauth-protected-resource"
STATUS: Final = f"{PDS}/xrpc/com.atproto.sync.getRepoStatus?did={GIULIA}"
SERVER: Final = f"{ENTRY}/.well-known/oauth-authorization-server"
AT_HOST: Final = "https://mallory.test/.well-known/atproto-did"
BY_RESOLVER: Final = f"{RESOLVER}/xrpc/com.atproto.identity.resolveHandle?handle=mallory.test"
SUBJECT: Final = Subject(NETWORK, SCOPE, GIULIA, "", "")
Says = Mapping[str, OutboundResponse]


def identities(says: Says) -> Identities:
    """Whoever is who, in a world with these changes."""
    return Identities(DIRECTORY, RESOLVER, ScriptedAtproto(says).outbound)


def named(name: str, says: Says) -> Account:
    """Look up a name."""
    return asyncio.run(identities(says).named(name))


def documented(did: str = GIULIA, **changes: Any) -> Account:
    """Look up a DID whose document has these changes."""
    return named(did, {f"{DIRECTORY}/{did}": answer(document(did) | changes)})


def said_at_host(said: OutboundResponse, says: Says | None = None) -> Account:
    """Look up a name whose host says this."""
    return named("mallory.test", {AT_HOST: said, **(says or {})})


def service(**changes: Any) -> list[Any]:
    """A document's services: one that has these changes."""
    return [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": PDS} | changes]


def origin(address: object) -> str:
    """Read the address of a server."""
    return origin_in(ScriptedAtproto().outbound, address)


def protected(**changes: Any) -> str:
    """Ask a server with accounts who signs them in."""
    told = {"resource": PDS, "authorization_servers": [ENTRY]} | changes
    return asyncio.run(issuer_of(ScriptedAtproto({PROTECTED: answer(told)}).outbound, PDS))


def described(**changes: Any) -> object:
    """Read what an authorization server says of itself."""
    return read_profile(metadata(**changes), ENTRY)


def left(says: Says, *, may_depart: bool = True) -> Departure:
    """Leave for the server of the account that somebody named."""

    async def allowed(*_asked: object) -> bool:
        return may_depart

    wish = SignInWish("giulia.test", "s", "c", REDIRECT)
    with patch.object(clients, "may_depart", allowed):
        return asyncio.run(_sign_in(says).begin(SERVICES, wish))


def came_back(
    said: OutboundResponse, says: Says | None = None, *, issuer: str = ENTRY, handle: str = "giulia.test"
) -> Subject:
    """Come back from the server where giulia's account was named, which redeems the code for this."""
    memo = {"did": GIULIA, "handle": handle, "issuer": issuer, "key": BOUND}
    world = {f"{issuer}/token": said, **(says or {})}
    return asyncio.run(_sign_in(world).finish(SERVICES, SignInAnswer("c", issuer, "v", REDIRECT, memo)))


def called_back(issuer: str | None) -> None:
    """A callback in this name."""
    if not _sign_in({}).is_issuer({"issuer": ENTRY}, issuer):
        raise Fruitless("not_the_issuer")


def stands(says: Says) -> AccountNow:
    """How giulia's account stands."""
    now = asyncio.run(AtprotoAccounts(identities(says)).look(SUBJECT))
    if now.state is not AccountState.THERE:
        raise Fruitless(now.state)
    return now


def status(**told: Any) -> AccountNow:
    """How it stands, by what its server says."""
    return stands({STATUS: answer({"did": GIULIA, "active": False} | told)})


def _sign_in(says: Says) -> AtprotoSignIn:
    return AtprotoSignIn("https://chat.bank.example/oauth/clients/bluesky.json", OUR_KEY, identities(says))


def _claimed(*names: str) -> AccountNow:
    """An account that claims these names: they are shown if they lead back, and asked about only if they are names."""
    world = ScriptedAtproto({f"{DIRECTORY}/{GIULIA}": answer(document(alsoKnownAs=list(names)))})
    accounts = AtprotoAccounts(Identities(DIRECTORY, RESOLVER, world.outbound))
    now = asyncio.run(accounts.look(SUBJECT))
    if not now.handle:
        asked = any("atproto-did" in one or RESOLVER in one for one in world.asked)
        raise Fruitless("asked" if asked else "not_even_asked")
    return now


def _renamed_to(name: str) -> Subject:
    """Who signs in while the account claims a name that leads to somebody else is shown without it."""
    subject = came_back(tokens(), {f"{DIRECTORY}/{GIULIA}": answer(document(handle=name))})
    if subject.handle == GIULIA:
        raise Fruitless("without_a_name")
    return subject


NAMES: Final[dict[str, Forgery]] = {
    "a name that is none": Forgery(lambda: tidy_account("not a name"), "AccountNotNamed"),
    **{
        f"a handle under .{last}": Forgery(partial(tidy_account, f"giulia.{last}"), "AccountNotNamed")
        for last in ("alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion")
    },
    "a handle that its account does not claim": Forgery(lambda: said_at_host(text(GIULIA)), "AccountNotNamed"),
    "a handle whose host says no DID": Forgery(lambda: said_at_host(text("nobody")), "AccountNotNamed"),
    "a handle whose host says another kind of DID": Forgery(lambda: said_at_host(text("did:key:z6Mk")), "AccountNotNamed"),
    "a handle that an error page names a DID for": Forgery(lambda: said_at_host(text(MALLORY, 404)), "AccountNotNamed"),
    "a handle that half an answer names a DID for": Forgery(lambda: said_at_host(text(MALLORY, 199)), "AccountNotNamed"),
    "a handle that the resolver does not know": Forgery(
        lambda: said_at_host(text(""), {BY_RESOLVER: answer({"did": MALLORY}, 400)}), "AccountNotNamed"
    ),
    "a handle that the resolver has no DID for": Forgery(
        lambda: said_at_host(text(""), {BY_RESOLVER: answer({"did": "did:key:z6Mk"})}), "AccountNotNamed"
    ),
    "a handle that the document claims without its scheme": Forgery(
        lambda: named("mallory.test", {f"{DIRECTORY}/{MALLORY}": answer(document(MALLORY, alsoKnownAs=["mallory.test"]))}),
        "AccountNotNamed",
    ),
    "a handle among names that are numbers": Forgery(
        lambda: named("mallory.test", {f"{DIRECTORY}/{MALLORY}": answer(document(MALLORY, alsoKnownAs=[7]))}),
        "AccountNotNamed",
    ),
    "a claimed name that leads to another account": Forgery(lambda: _claimed("at://mallory.test"), "asked"),
    "a claimed name that is an address": Forgery(lambda: _claimed("at://10.0.0.1"), "not_even_asked"),
    "no claimed name": Forgery(lambda: _claimed(), "not_even_asked"),
    "a document of another DID": Forgery(lambda: documented(id=MALLORY), "document_of_another_did"),
    "a DID that was given up": Forgery(lambda: named(GIULIA, {f"{DIRECTORY}/{GIULIA}": answer({}, 410)}), "did_gone"),
    "a document that is not there": Forgery(
        lambda: named(GIULIA, {f"{DIRECTORY}/{GIULIA}": answer(document(), 404)}), "status_404"
    ),
    "a document that is a list": Forgery(lambda: named(GIULIA, {f"{DIRECTORY}/{GIULIA}": answer([])}), "not_json"),
    "a directory that is overloaded": Forgery(
        lambda: named(GIULIA, {f"{DIRECTORY}/{GIULIA}": answer(document(), 429)}), "ChannelUnavailable"
    ),
    "a directory that is broken": Forgery(
        lambda: named(GIULIA, {f"{DIRECTORY}/{GIULIA}": answer(document(), 503)}), "ChannelUnavailable"
    ),
    "a document without a server": Forgery(lambda: documented(service=[]), "no_pds"),
    "a document whose services are numbers": Forgery(lambda: documented(service=[7]), "no_pds"),
    "a document whose server is of another kind": Forgery(lambda: documented(service=service(type="Labeler")), "no_pds"),
    "a document whose server has another name": Forgery(lambda: documented(service=service(id="#mine")), "no_pds"),
    "a server that is a number": Forgery(lambda: origin(7), "no_origin"),
    "a server without end": Forgery(lambda: origin("https://" + "a" * 400), "no_origin"),
    "a server behind a path": Forgery(lambda: origin(f"{PDS}/path"), "no_origin"),
    "a server of nowhere": Forgery(lambda: origin("https:///"), "no_origin"),
    "a server of nothing": Forgery(lambda: origin(""), "no_origin"),
    "a server with a name before the host": Forgery(lambda: origin("https://pds.test@evil.test"), "no_origin"),
    "a server that cannot be read": Forgery(lambda: origin("https://[::1"), "no_origin"),
}  # fmt: skip

SERVERS: Final[dict[str, Forgery]] = {
    "what protects another server": Forgery(lambda: protected(resource=OTHER), "resource_of_another_server"),
    "what protects no server": Forgery(lambda: protected(resource=None), "resource_of_another_server"),
    "servers by name": Forgery(lambda: protected(authorization_servers={"0": ENTRY}), "no_authorization_server"),
    "no server at all": Forgery(lambda: protected(authorization_servers=[]), "no_authorization_server"),
    "two servers": Forgery(lambda: protected(authorization_servers=[ENTRY, OTHER]), "no_authorization_server"),
    **{
        f"a server without {name}": Forgery(partial(described, **{name: None}), "not_of_the_profile")
        for name in metadata()
        if name.endswith("_supported") or name.startswith(("require_", "pushed_"))
    },
    "a server without an issuer": Forgery(lambda: described(issuer=None), "metadata_of_another_issuer"),
    "a server of another scope": Forgery(lambda: described(scopes_supported=["openid"]), "not_of_the_profile"),
    "a server whose scopes are text": Forgery(lambda: described(scopes_supported="atproto"), "not_of_the_profile"),
    "a server that signs as it likes": Forgery(
        lambda: described(token_endpoint_auth_signing_alg_values_supported=["RS256"]), "not_of_the_profile"
    ),
    "a server that takes no signature": Forgery(
        lambda: described(token_endpoint_auth_signing_alg_values_supported=["ES256", "none"]), "not_of_the_profile"
    ),
    "a server that promises by a word": Forgery(
        lambda: described(require_pushed_authorization_requests="yes"), "not_of_the_profile"
    ),
    **{
        f"a server whose {name} is another's": Forgery(
            partial(described, **{f"{name}_endpoint": f"{OTHER}/{name}"}), "address_of_another_server"
        )
        for name in ("authorization", "token", "pushed_authorization_request", "revocation")
    },
    "a server whose address begins like its own": Forgery(
        lambda: described(token_endpoint=f"{ENTRY}.evil.test/token"), "address_of_another_server"
    ),
}  # fmt: skip

SIGN_INS: Final[dict[str, Forgery]] = {
    "one departure too many": Forgery(lambda: left({}, may_depart=False), "too_many_departures"),
    "a server of another issuer": Forgery(
        lambda: left({SERVER: answer(metadata(issuer=OTHER))}), "metadata_of_another_issuer"
    ),
    "a callback in another's name": Forgery(lambda: called_back(OTHER), "not_the_issuer"),
    "a callback in no name": Forgery(lambda: called_back(None), "not_the_issuer"),
    "tokens of another scope": Forgery(lambda: came_back(tokens(scope="transition:generic")), "scope_not_granted"),
    "tokens of no scope": Forgery(lambda: came_back(tokens(scope=None)), "scope_not_granted"),
    "tokens of a scope without end": Forgery(
        lambda: came_back(tokens(scope="atproto " + "x" * LONGEST_TOKEN)), "scope_not_granted"
    ),
    "tokens of nobody": Forgery(lambda: came_back(tokens(sub=None)), "nobody_named"),
    "tokens of a handle": Forgery(lambda: came_back(tokens(sub="giulia.test")), "nobody_named"),
    "tokens of nobody, from a server that takes none back": Forgery(
        lambda: came_back(tokens(sub=None), {SERVER: answer(metadata(revocation_endpoint=None))}), "nobody_named"
    ),
    "tokens of another account": Forgery(lambda: came_back(tokens(sub=MALLORY)), "other_account"),
    "tokens of a server that the account does not live with": Forgery(
        lambda: came_back(tokens(), issuer=OTHER), "server_of_another_account"
    ),
    "no tokens": Forgery(lambda: came_back(tokens(access_token=None)), "tokens_malformed"),
    "bearer tokens": Forgery(lambda: came_back(tokens(token_type="Bearer")), "token_not_bound"),
    "tokens without the next nonce": Forgery(
        lambda: came_back(answer({"access_token": "a", "token_type": "DPoP", "scope": "atproto", "sub": GIULIA})), "no_nonce"
    ),
    "a name that leads to somebody else": Forgery(lambda: _renamed_to("mallory.test"), "without_a_name"),
    "a standing of another account": Forgery(lambda: status(did=MALLORY, active=True), "status_malformed"),
    "a standing that is a word": Forgery(lambda: status(active="yes"), "status_malformed"),
    "a standing that nobody knows": Forgery(lambda: status(status="resting"), "status_unknown"),
    "an account that was deleted": Forgery(lambda: status(status="deleted"), "gone"),
    "an account whose DID was given up": Forgery(
        lambda: stands({f"{DIRECTORY}/{GIULIA}": answer({}, 410)}), "gone"
    ),
    **{
        f"an account that was {one}": Forgery(partial(status, status=one), "suspended")
        for one in ("takendown", "suspended", "deactivated")
    },
}  # fmt: skip

FORGERIES: Final = NAMES | SERVERS | SIGN_INS
