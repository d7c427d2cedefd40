"""A program proves itself, gets a short token, and acts with it; each step has its leaf."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from app.agents.models import AccessToken, StaffAccount
from app.clients import issuing, service
from app.http.logs import configure_logging
from app.sessions.models import Session
from security.access_tokens import read_access_token
from security.encoding import unb64url
from security.jwts import SigningKey, VerificationKeys
from tests.app.clients.door import OPERATOR, URL, Door, actor_of_leaf, same_answer


async def test_a_program_gets_a_token_for_five_minutes_and_is_known_by_it(door: Door, crm: SigningKey) -> None:
    client = await door.register(crm)
    answer = await door.ask(door.form(crm))
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 300)
    assert given["scope"] == "cases:read cases:work rooms:talk"
    me = await door.get("/staff/me", given["access_token"])
    assert (me.json()["role"], me.json()["display_name"], me.json()["id"]) == ("machine", "CRM", str(client.id))
    [leaf] = await door.house.leaves("client.token_issued")
    assert actor_of_leaf(leaf) == ("client", str(client.id))
    assert leaf["data"]["scopes"] == ["cases:read", "cases:work", "rooms:talk"]
    door.house.clock.pass_by(minutes=5)
    assert await door.status(given["access_token"]) == 401


async def test_anybody_can_verify_the_token_by_the_published_keys(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    described = (await door.wire.get("/.well-known/oauth-authorization-server")).json()
    assert (described["issuer"], described["token_endpoint"]) == (URL, f"{URL}/oauth/token")
    assert described["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    published = (await door.wire.get(described["jwks_uri"].removeprefix(URL))).json()
    assert not any({"d", "k"} & one.keys() for one in published["keys"])
    keys, rule = VerificationKeys.of_jwks(published), door.app.state.issuer_ports.rule
    held = read_access_token(await door.token(crm), keys, rule, door.house.clock())
    assert (held.subject, held.client_id, held.issuer) == ("crm", "crm", URL)


async def test_a_token_never_lies_in_the_database(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token = await door.token(crm)
    for model in (Session, AccessToken):
        for row in await door.house.all(model):
            values = repr([getattr(row, column.key) for column in model.__table__.columns])
            assert token not in values


async def test_a_token_has_the_scopes_that_were_asked_for_and_no_others(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    narrow = await door.token(crm, scope="cases:read")
    case_id = await door.house.complaint()
    assert await door.status(narrow, f"/cases/{case_id}") == 200
    refused = await door.send("POST", f"/cases/{case_id}/claim", narrow)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    wide = await door.token(crm)
    assert (await door.send("POST", f"/cases/{case_id}/claim", wide)).status_code == 200
    [leaf] = await door.house.leaves("staff.refused")
    assert leaf["data"] == {"reason": "insufficient_scope"}


@pytest.mark.parametrize(
    "scope", ["agents:manage", "cases:read exports:make", "replies:publish", "*", "cases:read  cases:work", ""]
)
async def test_a_scope_that_is_not_the_programs_own_is_refused(door: Door, crm: SigningKey, scope: str) -> None:
    await door.register(crm)
    answer = await door.ask(door.form(crm, scope=scope))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_scope"})
    assert [leaf["data"]["reason"] for leaf in await door.house.leaves("client.refused")] == ["scope"]


async def test_a_program_works_a_case_and_talks_in_its_room(door: Door, crm: SigningKey) -> None:
    client = await door.register(crm)
    token = await door.token(crm)
    case_id = await door.house.complaint()
    assert (await door.send("POST", f"/cases/{case_id}/claim", token)).status_code == 200
    room = await door.house.room(case_id=case_id)
    path = f"/conversations/{room.id}/messages"
    said = await door.send("POST", path, token, body={"text": "Buongiorno."}, **{"idempotency-key": "one"})
    assert said.status_code == 201
    assert (await door.get(path, token)).json()["items"][-1]["text"] == "Buongiorno."
    for event in ("case.claimed", "message.sent", "room.read"):
        assert actor_of_leaf((await door.house.leaves(event))[-1]) == ("client", str(client.id)), event


async def test_a_program_reads_no_room_of_a_case_that_is_not_its_own(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    room = await door.house.room()
    token = await door.token(crm)
    assert await door.status(token, f"/conversations/{room.id}/messages") == 403
    assert [leaf["data"]["act"] for leaf in await door.house.leaves("room.refused")] == ["read"]


async def test_without_the_scope_to_talk_nothing_in_a_room_is_read_either(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token = await door.token(crm)
    case_id = await door.house.complaint()
    await door.send("POST", f"/cases/{case_id}/claim", token)
    room = await door.house.room(case_id=case_id)
    narrow = await door.token(crm, scope="cases:read cases:work")
    for part in ("messages", "events"):
        assert await door.status(narrow, f"/conversations/{room.id}/{part}") == 404


async def test_an_assertion_counts_once_however_many_bring_it_at_once(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    form = door.form(crm)
    answers = await asyncio.gather(*(door.ask(form) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    assert len(await door.house.leaves("client.token_issued")) == 1
    assert {leaf["data"]["reason"] for leaf in await door.house.leaves("client.refused")} == {"replayed"}


async def test_a_program_that_is_ended_takes_its_tokens_with_it_and_gets_no_more(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token, unused = await door.token(crm), await door.token(crm)
    assert await door.status(token) == 200
    await door.house.act(lambda db: service.disable(db, OPERATOR, "crm", "replaced"))
    assert (await door.status(token), await door.status(unused)) == (401, 401)
    assert (await door.ask(door.form(crm))).json() == {"error": "invalid_client"}
    [leaf] = await door.house.leaves("client.disabled")
    assert (leaf["data"], actor_of_leaf(leaf)) == ({"reason": "replaced"}, ("operator", "root"))


async def test_new_keys_replace_old_ones_after_the_overlap(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    fresh = SigningKey.new()
    await door.house.act(lambda db: service.rotate(db, OPERATOR, "crm", [fresh.public_jwk()], timedelta(hours=1)))
    assert await door.token(crm)
    assert await door.token(fresh)
    door.house.clock.pass_by(hours=1, seconds=1)
    assert (await door.ask(door.form(crm))).status_code == 401
    assert await door.token(fresh)
    [leaf] = await door.house.leaves("client.keys_changed")
    assert leaf["data"] == {"old": [crm.kid], "new": [fresh.kid]}


async def test_new_keys_without_an_overlap_end_every_token_at_once(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    token, fresh = await door.token(crm), SigningKey.new()
    await door.house.act(lambda db: service.rotate(db, OPERATOR, "crm", [fresh.public_jwk()], timedelta()))
    assert await door.status(token) == 401
    assert (await door.ask(door.form(crm))).status_code == 401
    assert await door.token(fresh)


async def test_the_key_that_signs_may_change_while_tokens_live(door: Door, crm: SigningKey) -> None:
    from app import key_files

    await door.register(crm)
    before = await door.token(crm)
    old, new = key_files.rotate_token_key(door.keys._path, door.house.clock())
    after = await door.token(crm)
    names = [json.loads(unb64url(token.split(".")[0]))["kid"] for token in (before, after)]
    assert names == [old, new]
    assert [one["kid"] for one in door.keys.published(door.house.clock())] == [new, old]
    assert (await door.status(before), await door.status(after)) == (200, 200)
    door.house.clock.pass_by(days=1)
    assert [one["kid"] for one in door.keys.published(door.house.clock())] == [new]


async def test_refusals_of_outsiders_all_look_alike_and_say_nothing(
    door: Door, crm: SigningKey, thief: SigningKey
) -> None:
    await door.register(crm)
    await door.register(crm, "old")
    await door.house.act(lambda db: service.disable(db, OPERATOR, "old", "x"))
    answers = [
        await door.ask(door.form(thief)),
        await door.ask(door.form(crm, "nobody")),
        await door.ask(door.form(crm, "old")),
        await door.ask(door.form(crm, client_assertion=door.assertion(crm, aud=f"{URL}/oauth/token"))),
        await door.ask(door.form(crm, client_assertion="rubbish")),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert same_answer(answers) == {'{"error": "invalid_client", "request_id": ""}'}


async def test_ten_wrong_proofs_from_one_network_close_the_door_for_this_name_and_no_other(
    door: Door, crm: SigningKey, thief: SigningKey
) -> None:
    await door.register(crm)
    await door.register(crm, "erp")
    for _ in range(10):
        assert (await door.ask(door.form(thief))).status_code == 401
    assert (await door.ask(door.form(crm))).status_code == 401
    assert await door.token(crm, "erp")
    assert len(await door.house.leaves("client.refused")) == 10
    door.house.clock.pass_by(minutes=1, seconds=1)
    assert await door.token(crm)


async def test_a_right_assertion_ends_a_row_of_wrong_ones(door: Door, crm: SigningKey, thief: SigningKey) -> None:
    await door.register(crm)
    for _ in range(3):
        for _ in range(9):
            await door.ask(door.form(thief))
        assert await door.token(crm)


async def test_keys_that_were_replaced_while_it_was_judged_prove_nothing(
    door: Door, crm: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request has been judged by the old keys; before its token is written, they end."""
    await door.register(crm)
    fresh = [SigningKey.new().public_jwk()]
    really = issuing._proof

    async def late(*arguments: Any) -> Any:
        await door.house.act(lambda db: service.rotate(db, OPERATOR, "crm", fresh, timedelta()))
        return await really(*arguments)

    monkeypatch.setattr(issuing, "_proof", late)
    assert (await door.ask(door.form(crm))).json() == {"error": "invalid_client"}
    assert await door.house.all(AccessToken) == []


async def test_the_library_never_logs_a_token(door: Door, crm: SigningKey, caplog: pytest.LogCaptureFixture) -> None:
    configure_logging(io.StringIO(), logging.DEBUG)
    await door.register(crm)
    with caplog.at_level(logging.DEBUG):
        token = await door.token(crm)
    assert not logging.getLogger("authlib.oauth2.rfc6749").isEnabledFor(logging.DEBUG)
    assert token not in caplog.text


async def test_a_program_cannot_sign_in_with_a_password(door: Door, crm: SigningKey) -> None:
    await door.register(crm)
    [account] = [one for one in await door.house.all(StaffAccount) if one.role == "machine"]
    body = {"login": account.login, "password": "x", "code": "12345678"}
    answer = await door.wire.post("/api/v1/tokens", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_refused")
