"""Forged tokens, proofs and assertions against the API and the token endpoint itself: none is accepted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from app.agents.models import AccessToken
from app.sessions.models import Session
from security.dpop import make_proof
from security.encoding import b64url
from security.jwts import SigningKey
from tests.app.clients.door import BANK, URL, Door

ME: Final = f"{URL}/api/v1/staff/me"
Attack = Callable[[Door, SigningKey, SigningKey], Awaitable[httpx2.Response]]


def claims_of(door: Door, **changes: Any) -> dict[str, Any]:
    """What a token of ours says."""
    right = {"iss": URL, "aud": f"{URL}/api/v1", "sub": "crm", "client_id": "crm", "jti": str(uuid4())}
    return right | {"iat": door.at, "exp": door.at + 300, "scope": "cases:read"} | changes


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token spelled by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(b64url(part) for part in parts)


async def stolen_signing_key(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    """Signed by our own key, but never issued: it has no session."""
    return await door.get("/staff/me", door.keys.current().sign(claims_of(door), typ="at+jwt"))


async def changed_scope(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    token = await door.token(crm, scope="cases:read")
    header, _, signature = token.split(".")
    wide = b64url(json.dumps(claims_of(door, scope="cases:read cases:work")).encode())
    return await door.get("/staff/me", f"{header}.{wide}.{signature}")


async def proof_of_another_request(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    token = await door.token(crm, bound=crm)
    proof = make_proof(crm, "GET", f"{URL}/api/v1/cases", door.house.clock(), access_token=token)
    return await door.get("/staff/me", token, key=crm, dpop=proof)


async def proof_of_another_token(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    token, other = await door.token(crm, bound=crm), await door.token(crm, bound=crm)
    proof = make_proof(crm, "GET", ME, door.house.clock(), access_token=other)
    return await door.get("/staff/me", token, key=crm, dpop=proof)


async def proof_without_the_token(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    token = await door.token(crm, bound=crm)
    return await door.get("/staff/me", token, key=crm, dpop=make_proof(crm, "GET", ME, door.house.clock()))


async def proof_by_a_thief(door: Door, crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    return await door.get("/staff/me", await door.token(crm, bound=crm), key=thief)


async def proof_for_another_host(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    token = await door.token(crm, bound=crm)
    there = "https://attacker.example/api/v1/staff/me"
    proof = make_proof(crm, "GET", there, door.house.clock(), access_token=token)
    return await door.get("/staff/me", token, key=crm, dpop=proof, host="attacker.example")


async def two_proofs(door: Door, crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    token = await door.token(crm, bound=crm)
    proofs = [make_proof(key, "GET", ME, door.house.clock(), access_token=token) for key in (thief, crm)]
    headers = [("authorization", f"DPoP {token}"), *(("dpop", proof) for proof in proofs)]
    return await door.wire.get("/api/v1/staff/me", headers=headers)


async def two_tokens(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    tokens = [await door.token(crm), "x"]
    return await door.wire.get("/api/v1/staff/me", headers=[("authorization", f"Bearer {one}") for one in tokens])


async def another_scheme(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.get("/staff/me", "", authorization=f"Basic {await door.token(crm)}")


def banks(**changes: Any) -> Attack:
    """A token of the bank's issuer with changes."""

    async def attack(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
        later = {name: value(door) if callable(value) else value for name, value in changes.items()}
        return await door.get("/staff/me", door.banks_token(**later))

    return attack


def by_hand(header: dict[str, Any]) -> Attack:
    """A token that nobody signed as it says."""

    async def attack(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
        claims = claims_of(door, iss=BANK, sub="u-7", client_id="desk", preferred_username="anna")
        return await door.get("/staff/me", unsigned(header, claims, b"\0" * 64))

    return attack


async def banks_by_a_thief(door: Door, _crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    return await door.get("/staff/me", door.banks_token(thief))


async def banks_id_token(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    claims = claims_of(door, iss=BANK, sub="u-7", client_id="desk", preferred_username="anna")
    return await door.get("/staff/me", door.bank.listed[0].sign(claims, typ="JWT"))


async def banks_bound_to_a_thief_shown_by_bearer(door: Door, _crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    return await door.get("/staff/me", door.banks_token(cnf={"jkt": thief.kid}))


async def our_token_from_the_bank(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    """The bank's issuer signs in our name, for a program of ours."""
    return await door.get("/staff/me", door.bank.listed[0].sign(claims_of(door), typ="at+jwt"))


async def assertion_as_a_token(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.get("/staff/me", door.assertion(crm, iss=BANK, aud=f"{URL}/api/v1"))


AT_THE_API: Final[dict[str, Attack]] = {
    "a token of ours that was never issued": stolen_signing_key,
    "a token of ours with more scopes": changed_scope,
    "a proof of another request": proof_of_another_request,
    "a proof of another token": proof_of_another_token,
    "a proof without the token": proof_without_the_token,
    "a proof by a thief's key": proof_by_a_thief,
    "a proof for another host, which the request names too": proof_for_another_host,
    "two proofs, one of them right": two_proofs,
    "two tokens, one of them right": two_tokens,
    "a right token under another scheme": another_scheme,
    "the bank's token, signed by a thief": banks_by_a_thief,
    "an ID token of the bank's": banks_id_token,
    "a bound token of the bank's without a proof": banks_bound_to_a_thief_shown_by_bearer,
    "a token in our name by the bank's issuer": our_token_from_the_bank,
    "an assertion as a token": assertion_as_a_token,
    "of another issuer": banks(iss="https://attacker.example"),
    "for another service": banks(aud="https://mail.bancaesempio.example"),
    "for two services": banks(aud=[f"{URL}/api/v1", "https://mail.bancaesempio.example"]),
    "that has ended": banks(exp=lambda door: door.at - 1),
    "that lives for a week": banks(exp=lambda door: door.at + 604_800),
    "without a scope": banks(scope=None),
    "without a name": banks(jti=None),
    "bound to a certificate": banks(cnf={"x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    "signed by nobody": by_hand({"alg": "none", "typ": "at+jwt"}),
    "signed by a shared secret": by_hand({"alg": "HS256", "typ": "at+jwt"}),
    "signed by nothing": by_hand({"alg": "ES256", "typ": "at+jwt"}),
}


@pytest.mark.parametrize("name", AT_THE_API)
async def test_a_forgery_opens_nothing_at_the_api(door: Door, crm: SigningKey, thief: SigningKey, name: str) -> None:
    await door.register(crm)
    door.bank.seen = list(door.bank.listed)
    answer = await AT_THE_API[name](door, crm, thief)
    assert answer.status_code == 401
    assert answer.json()["code"] in ("unauthenticated", "session_over", "proof_refused")
    sessions = {row.session_id for row in await door.house.all(AccessToken) if row.issuer == BANK}
    used = [row for row in await door.house.all(Session) if row.id in sessions and row.ended_at is None]
    assert used == [] or name == "a bound token of the bank's without a proof"


def at_endpoint(**changes: Any) -> Attack:
    """A request with changed fields; those that begin with `_` change the assertion."""

    async def attack(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
        claims = {name[1:]: value for name, value in changes.items() if name.startswith("_")}
        fields = {name: value for name, value in changes.items() if not name.startswith("_")}
        assertion = door.assertion(crm, **{name: one(door) if callable(one) else one for name, one in claims.items()})
        return await door.ask(
            door.form(crm, client_assertion=assertion) | {name: str(one) for name, one in fields.items()}
        )

    return attack


async def by_a_thief(door: Door, _crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    return await door.ask(door.form(thief))


async def by_another_program(door: Door, _crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    await door.register(thief, "erp")
    return await door.ask(door.form(thief, "crm"))


async def replayed(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    form = door.form(crm)
    assert (await door.ask(form)).status_code == 200
    return await door.ask(form)


async def unsigned_assertion(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    claims = {"iss": "crm", "sub": "crm", "aud": URL, "jti": "x", "iat": door.at, "exp": door.at + 60}
    return await door.ask(door.form(_crm, client_assertion=unsigned({"alg": "none"}, claims)))


async def key_from_the_header(door: Door, crm: SigningKey, thief: SigningKey) -> httpx2.Response:
    claims = {"iss": "crm", "sub": "crm", "aud": URL, "jti": "x", "iat": door.at, "exp": door.at + 60}
    made = thief.sign(claims, typ="JWT", header={"jwk": thief.bare_jwk()})
    return await door.ask(door.form(crm, client_assertion=made))


async def repeated_field(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    fields = [*door.form(crm).items(), ("scope", "cases:read"), ("scope", "cases:work")]
    body = "&".join(f"{name}={value}" for name, value in fields)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return await door.wire.post("/oauth/token", content=body.replace(":", "%3A"), headers=kind)


async def in_json(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.wire.post("/oauth/token", json=door.form(crm))


async def with_basic(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.ask(door.form(crm), authorization="Basic Y3JtOmNybQ==")


async def by_secret(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.ask({"grant_type": "client_credentials", "client_id": "crm", "client_secret": "crm"})


async def by_name_alone(door: Door, _crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.ask({"grant_type": "client_credentials", "client_id": "crm"})


async def with_a_spent_proof(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    proof = make_proof(crm, "POST", f"{URL}/oauth/token", door.house.clock())
    assert (await door.ask(door.form(crm), dpop=proof)).status_code == 200
    return await door.ask(door.form(crm), dpop=proof)


async def with_a_proof_for_the_api(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.ask(door.form(crm), dpop=make_proof(crm, "GET", ME, door.house.clock()))


async def with_a_broken_proof(door: Door, crm: SigningKey, _thief: SigningKey) -> httpx2.Response:
    return await door.ask(door.form(crm), dpop="a.b.c")


AT_THE_ENDPOINT: Final[dict[str, tuple[Attack, str]]] = {
    "by a thief's key": (by_a_thief, "invalid_client"),
    "by another program's key": (by_another_program, "invalid_client"),
    "a second time": (replayed, "invalid_client"),
    "signed by nobody": (unsigned_assertion, "invalid_client"),
    "by a key that it brings": (key_from_the_header, "invalid_client"),
    "by a shared secret": (by_secret, "invalid_client"),
    "by a name alone": (by_name_alone, "invalid_client"),
    "by a password beside it": (with_basic, "invalid_client"),
    "by a secret beside it": (at_endpoint(client_secret="x"), "invalid_client"),
    "for another program beside it": (at_endpoint(client_id="erp"), "invalid_client"),
    "as another kind of assertion": (at_endpoint(client_assertion_type="urn:x"), "invalid_client"),
    "for the endpoint": (at_endpoint(_aud=f"{URL}/oauth/token"), "invalid_client"),
    "for us in a list": (at_endpoint(_aud=[URL]), "invalid_client"),
    "that lives for an hour": (at_endpoint(_exp=lambda door: door.at + 3600), "invalid_client"),
    "of yesterday": (at_endpoint(_iat=lambda door: door.at - 86_400), "invalid_client"),
    "with a claim of a wrong kind": (at_endpoint(_exp="soon"), "invalid_client"),
    "with a name of a wrong kind": (at_endpoint(_jti={"a": 1}), "invalid_client"),
    "for a person": (at_endpoint(grant_type="password", username="anna", password="x"), "unsupported_grant_type"),
    "by a code": (at_endpoint(grant_type="authorization_code", code="x"), "unsupported_grant_type"),
    "for more than it has": (at_endpoint(scope="agents:manage"), "invalid_scope"),
    "with a field twice": (repeated_field, "invalid_request"),
    "in JSON": (in_json, "invalid_request"),
    "with a proof that is spent": (with_a_spent_proof, "invalid_dpop_proof"),
    "with a proof of another request": (with_a_proof_for_the_api, "invalid_dpop_proof"),
    "with a proof that is none": (with_a_broken_proof, "invalid_dpop_proof"),
}


@pytest.mark.parametrize("name", AT_THE_ENDPOINT)
async def test_a_forgery_gets_no_token(door: Door, crm: SigningKey, thief: SigningKey, name: str) -> None:
    await door.register(crm)
    attack, word = AT_THE_ENDPOINT[name]
    issued = len(await door.house.all(AccessToken))
    answer = await attack(door, crm, thief)
    assert answer.json() == {"error": word}
    assert answer.status_code == (401 if word == "invalid_client" else 400)
    assert answer.headers["cache-control"] == "no-store"
    refusals = [leaf["data"]["reason"] for leaf in await door.house.leaves("client.refused")]
    assert word in ("invalid_client", "invalid_scope") or refusals == []
    allowed = 1 if name in ("a second time", "with a proof that is spent") else 0
    assert len(await door.house.all(AccessToken)) == issued + allowed


def test_there_are_as_many_forgeries_as_the_threat_model_says() -> None:
    assert len(AT_THE_API) + len(AT_THE_ENDPOINT) >= 50
