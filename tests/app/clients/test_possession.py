"""A token that is bound to a key is worth nothing without it; a proof counts once, for one request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.agents import access_tokens
from app.agents.models import AccessToken
from app.database import transaction
from app.limits import once
from app.limits.models import SpentValue
from app.lookups import Lookups
from security import passwords, totp
from security.dpop import make_proof
from security.jwts import SigningKey
from tests.app.clients.door import URL, Door
from tests.support.house import PASSWORD, secret_of

ME = f"{URL}/api/v1/staff/me"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 has its tests in security/."""
    monkeypatch.setattr(passwords, "check_password", lambda _expected, _password: None)


async def test_a_program_may_bind_its_token_to_a_key(door: Door, crm: SigningKey, thief: SigningKey) -> None:
    await door.register(crm)
    key = SigningKey.new()
    answer = await door.ask(door.form(crm), key=key)
    assert answer.json()["token_type"] == "DPoP"
    token = answer.json()["access_token"]
    assert await door.status(token, key=key) == 200
    assert await door.status(token, key=thief) == 401
    assert await door.status(token) == 401
    refused = await door.get("/staff/me", token, authorization=f"DPoP {token}")
    assert refused.json()["code"] == "proof_refused"
    assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')


async def test_a_bound_token_does_not_pass_as_a_bearers_even_with_its_proof(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token = await door.token(crm, bound=crm)
    assert await door.status(token, key=crm, authorization=f"Bearer {token}") == 401


async def test_a_token_that_is_not_bound_does_not_pass_with_a_proof(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    assert await door.status(await door.token(crm), key=crm) == 401


async def test_who_only_found_a_bound_token_has_not_signed_in_nor_does_the_log_say_so(
    door: Door, crm: SigningKey, thief: SigningKey
) -> None:
    token = door.banks_token(cnf={"jkt": crm.kid})
    assert await door.status(token, key=thief) == 401
    assert await door.status(token, authorization=f"Bearer {token}") == 401
    assert await door.house.leaves("staff.signed_in") == []
    assert await door.house.all(AccessToken) == []
    assert await door.status(token, key=crm) == 200
    assert len(await door.house.leaves("staff.signed_in")) == 1


async def test_a_proof_counts_once_however_many_bring_it_at_once(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token = await door.token(crm, bound=crm)
    proof = make_proof(crm, "GET", ME, door.house.clock(), access_token=token)
    statuses = await asyncio.gather(*(door.status(token, key=crm, dpop=proof) for _ in range(6)))
    assert sorted(statuses) == [200, 401, 401, 401, 401, 401]
    # another process has other look-ups and the same database
    door.app.state.services = replace(door.house.services, lookups=Lookups())
    assert await door.status(token, key=crm, dpop=proof) == 401


async def test_a_spent_proof_is_kept_until_it_is_void_and_then_forgotten(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    await door.token(crm, bound=crm)
    house = door.house
    assert len(await house.all(SpentValue)) == 2
    house.clock.pass_by(seconds=100)
    await house.act(lambda db: once.forget_old(db, house.clock()))
    assert len(await house.all(SpentValue)) == 1
    house.clock.pass_by(minutes=5)
    await house.act(lambda db: once.forget_old(db, house.clock()))
    assert await house.all(SpentValue) == []


async def test_where_possession_is_required_nothing_else_opens_the_api(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    bare = await door.token(crm)
    door.settle(requires_dpop=True)
    assert await door.status(bare) == 401
    assert await door.status(door.banks_token()) == 401
    assert (await door.ask(door.form(crm))).json() == {"error": "invalid_dpop_proof"}
    token = await door.token(crm, bound=crm)
    assert await door.status(token, key=crm) == 200
    assert await door.status(door.banks_token(cnf={"jkt": crm.kid}), key=crm) == 200


async def test_a_program_that_must_bind_its_tokens_gets_no_others(door: Door, crm: SigningKey) -> None:
    await door.register(crm, requires_dpop=True)
    assert (await door.ask(door.form(crm))).json() == {"error": "invalid_dpop_proof"}
    assert await door.token(crm, bound=crm)


async def test_a_proof_without_our_newest_nonce_gets_it_and_is_taken_then(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    door.settle(uses_nonces=True)
    form = door.form(crm)
    refused = await door.ask(form, key=crm)
    assert refused.json() == {"error": "use_dpop_nonce"}
    nonce = refused.headers["dpop-nonce"]
    now = door.house.clock()
    answer = await door.ask(form, dpop=make_proof(crm, "POST", f"{URL}/oauth/token", now, nonce=nonce))
    token = answer.json()["access_token"]
    refused = await door.get("/staff/me", token, key=crm)
    assert (refused.status_code, refused.json()["code"]) == (401, "nonce_needed")
    assert 'error="use_dpop_nonce"' in refused.headers["www-authenticate"]
    assert refused.headers["dpop-nonce"] == nonce
    proof = make_proof(crm, "GET", ME, now, access_token=token, nonce=nonce)
    assert await door.status(token, key=crm, dpop=proof) == 200


async def test_a_nonce_lives_two_to_four_minutes(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    door.settle(uses_nonces=True)
    nonce = (await door.ask(door.form(crm), key=crm)).headers["dpop-nonce"]

    async def answered() -> Any:
        proof = make_proof(crm, "POST", f"{URL}/oauth/token", door.house.clock(), nonce=nonce)
        return (await door.ask(door.form(crm), dpop=proof)).json().get("error")

    door.house.clock.pass_by(minutes=2)
    assert await answered() is None
    door.house.clock.pass_by(minutes=2)
    assert await answered() == "use_dpop_nonce"


async def test_a_person_may_bind_a_token_too_and_take_fewer_scopes(door: Door, crm: SigningKey) -> None:
    house = door.house
    body: dict[str, Any] = {
        "login": "anna",
        "password": PASSWORD,
        "code": totp.code_at(secret_of("anna"), house.clock()),
    }
    narrow = await door.wire.post("/api/v1/tokens", json={**body, "scopes": ["cases:read", "agents:manage"]})
    assert (narrow.status_code, narrow.json()["code"]) == (422, "scope_not_held")
    proof = make_proof(crm, "POST", f"{URL}/api/v1/tokens", house.clock())
    made = await door.wire.post("/api/v1/tokens", json={**body, "scopes": ["cases:read"]}, headers={"dpop": proof})
    assert (made.json()["token_type"], made.json()["scopes"]) == ("DPoP", ["cases:read"])
    token, case_id = made.json()["token"], await house.complaint()
    assert await door.status(token, f"/cases/{case_id}", key=crm) == 200
    assert (await door.send("POST", f"/cases/{case_id}/claim", token, key=crm)).json()["code"] == "insufficient_scope"
    assert await door.status(token) == 401


async def test_what_is_required_of_tokens_is_required_of_a_persons_too(door: Door, crm: SigningKey) -> None:
    door.settle(requires_dpop=True)
    code = totp.code_at(secret_of("anna"), door.house.clock())
    body = {"login": "anna", "password": PASSWORD, "code": code}
    assert (await door.wire.post("/api/v1/tokens", json=body)).json()["code"] == "proof_refused"
    proof = make_proof(crm, "POST", f"{URL}/api/v1/tokens", door.house.clock())
    assert (await door.wire.post("/api/v1/tokens", json=body, headers={"dpop": proof})).status_code == 201


async def test_a_value_is_spent_once_whatever_the_way(door: Door) -> None:
    services, until = door.house.services, door.house.clock()
    assert await once.spend_soon(services, "kind", ("a", "b"), until)
    assert not await once.spend_soon(services, "kind", ("a", "b"), until)
    async with transaction(services) as db:
        assert not await once.spend(db, "kind", ("a", "b"), until)
        assert await once.spend(db, "kind", ("ab", ""), until)
        assert await once.spend(db, "other", ("a", "b"), until)


async def test_the_name_of_a_token_belongs_to_its_issuer() -> None:
    assert access_tokens.token_key("https://a.example", "b") != access_tokens.token_key("https://a.exampleb", "")
