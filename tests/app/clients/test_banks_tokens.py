"""Access tokens of the bank's own authorization server: whose they are, what they may, and when they are over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.actors import SYSTEM, Role
from app.agents import service as agents
from app.agents.models import AccessToken
from app.agents.ports import LocalSignIn
from app.clients import service
from app.outbound import OutboundFailed
from app.provisioning import service as provisioning
from app.provisioning.rules import Person, ProvisioningPorts
from app.sessions.models import Session
from security.encoding import b64url, unb64url
from security.jwts import SigningKey, VerificationKeys
from tests.app.clients.door import BANK, OPERATOR, Door, actor_of_leaf, staff_named

# of the curve P-256: (r, s) and (r, n - s) sign the same
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def twin_of(token: str) -> str:
    """The same token with the other signature that fits it."""
    signed, _, signature = token.rpartition(".")
    r, s = (unb64url(signature)[at : at + 32] for at in (0, 32))
    return f"{signed}.{b64url(r + (ORDER - int.from_bytes(s, 'big')).to_bytes(32, 'big'))}"


async def test_a_member_of_staff_comes_by_the_claim_that_the_settings_name(door: Door) -> None:
    anna = staff_named(door.house, "anna")
    token = door.banks_token()
    me = await door.get("/staff/me", token)
    assert (me.json()["id"], me.json()["role"]) == (str(anna.id), "agent")
    [leaf] = await door.house.leaves("staff.signed_in")
    assert (leaf["data"]["means"], actor_of_leaf(leaf)) == ("access_token", ("agent", str(anna.id)))
    assert await door.status(token) == 200
    assert len(await door.house.leaves("staff.signed_in")) == 1


async def test_scopes_narrow_the_role_and_never_widen_it(door: Door) -> None:
    """Anna's role may work cases, but her token may not; the token may manage staff, but Anna may not."""
    token, case_id = door.banks_token(), await door.house.complaint()
    assert await door.status(token, f"/cases/{case_id}") == 200
    assert (await door.send("POST", f"/cases/{case_id}/claim", token)).json()["code"] == "insufficient_scope"
    assert await door.status(token, "/exports") == 403
    everything = "riserbo/agents:manage riserbo/exports:make riserbo/guard:override riserbo/rooms:read_any riserbo/*"
    wide = door.banks_token(scope=everything)
    assert await door.status(wide, f"/cases/{case_id}") == 404
    assert await door.status(wide, "/exports") == 403


@pytest.mark.parametrize("scope", ["riserbo/*", "*", "riserbo/"])
async def test_no_token_says_our_word_for_every_scope(door: Door, scope: str) -> None:
    case_id = await door.house.complaint()
    assert await door.status(door.banks_token(scope=scope), f"/cases/{case_id}") == 404


async def test_a_scope_without_our_prefix_is_another_services(door: Door) -> None:
    case_id = await door.house.complaint()
    assert await door.status(door.banks_token(scope="cases:read"), f"/cases/{case_id}") == 404


async def test_who_has_left_is_out_at_once_with_tokens_that_are_valid_still(door: Door) -> None:
    used, unused = door.banks_token(), door.banks_token()
    assert await door.status(used) == 200
    anna = staff_named(door.house, "anna")
    await door.house.act(lambda db: agents.deactivate(db, door.house.ada, anna.id, "left"))
    assert [await door.status(token) for token in (used, unused, unused)] == [401, 401, 401]
    assert [leaf["data"]["reason"] for leaf in await door.house.leaves("staff.refused")] == ["left"]


async def test_a_token_can_be_ended_and_neither_it_nor_its_twin_comes_back(door: Door) -> None:
    token = door.banks_token()
    assert await door.status(twin_of(token)) == 200
    assert await door.status(token) == 401
    other = door.banks_token()
    assert await door.status(other) == 200
    assert (await door.send("DELETE", "/tokens/current", other)).status_code == 204
    assert (await door.status(other), await door.status(twin_of(other))) == (401, 401)


async def test_many_first_uses_at_once_begin_one_session(door: Door) -> None:
    before, token = len(await door.house.all(Session)), door.banks_token()
    assert await asyncio.gather(*(door.status(token) for _ in range(6))) == [200] * 6
    assert len(await door.house.all(Session)) == before + 1
    assert len(await door.house.all(AccessToken)) == 1
    assert len(await door.house.leaves("staff.signed_in")) == 1


async def test_a_token_ends_when_it_says_so(door: Door) -> None:
    token = door.banks_token(exp=door.at + 90)
    assert await door.status(token) == 200
    door.house.clock.pass_by(seconds=90)
    assert await door.status(token) == 401


async def test_a_program_of_the_banks_issuer_has_no_more_than_it_was_registered_with(door: Door) -> None:
    client = await door.register(SigningKey.new(), "batch-7", ("cases:read",), issuer=BANK)
    token = door.banks_token(sub="batch-7", client_id="batch-7", scope="riserbo/cases:read riserbo/cases:work")
    assert (await door.get("/staff/me", token)).json()["id"] == str(client.id)
    case_id = await door.house.complaint()
    assert (await door.send("POST", f"/cases/{case_id}/claim", token)).status_code == 403
    await door.house.act(lambda db: service.disable(db, OPERATOR, "batch-7", "x", issuer=BANK))
    assert await door.status(token) == 401


async def test_a_program_that_must_bind_its_tokens_has_no_others(door: Door, crm: SigningKey) -> None:
    await door.register(crm, "batch-7", ("cases:read",), issuer=BANK, requires_dpop=True)
    bare = {"sub": "batch-7", "client_id": "batch-7", "scope": "riserbo/cases:read"}
    assert await door.status(door.banks_token(**bare)) == 401
    assert await door.status(door.banks_token(**bare, cnf={"jkt": crm.kid}), key=crm) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"preferred_username": "nobody"},
        {"preferred_username": None},
        {"preferred_username": ["anna"]},
        {"preferred_username": "  "},
        {"preferred_username": "client:crm"},
        {"sub": "crm", "client_id": "crm"},
        {"sub": "unknown", "client_id": "unknown"},
    ],
    ids=repr,
)
async def test_a_token_of_nobody_we_know_is_refused(door: Door, crm: SigningKey, changes: dict[str, Any]) -> None:
    """Least of all does it make somebody a program of ours."""
    await door.register(crm)
    before = len(await door.house.all(Session))
    assert await door.status(door.banks_token(**changes)) == 401
    assert len(await door.house.all(Session)) == before


async def test_a_name_at_the_banks_issuer_does_not_open_an_account_that_is_sealed_for_emergencies(door: Door) -> None:
    """Whoever may choose a name there would be administrator here: without a mail, and as if signed in just now."""
    door.app.state.local_sign_in = LocalSignIn(sealed=True, tell="compliance@bank.example")
    before = len(await door.house.all(Session))
    assert await door.status(door.banks_token(preferred_username="ada")) == 401
    assert len(await door.house.all(Session)) == before
    hired, _ = await door.house.act(
        lambda db: provisioning.create(db, SYSTEM, ProvisioningPorts("", default_role=Role.AGENT), Person("nuova.desk"))
    )
    me = await door.get("/staff/me", door.banks_token(preferred_username="nuova.desk"))
    assert me.json()["id"] == str(hired.id)


async def test_a_new_key_of_the_issuer_is_found_and_one_of_a_stranger_is_not(door: Door, thief: SigningKey) -> None:
    assert await door.status(door.banks_token()) == 200
    fresh = SigningKey.new()
    door.bank.listed.append(fresh)
    assert await door.status(door.banks_token(fresh)) == 200
    assert door.bank.asked == 2
    assert await door.status(door.banks_token(thief)) == 401


async def test_an_issuer_whose_keys_cannot_be_had_is_our_fault_and_not_the_tokens(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*, fresh: bool = False) -> VerificationKeys:
        raise OutboundFailed("no_keys")

    monkeypatch.setattr(door.bank, "verification_keys", away)
    answer = await door.get("/staff/me", door.banks_token())
    assert (answer.status_code, answer.json()["code"]) == (503, "outbound_failed")
