"""Accounts by SCIM: joiners, looking up, changing, what is ignored and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from app.agents.models import StaffAccount
from app.http.problems import SCIM_ERROR, SCIM_MEDIA_TYPE
from app.provisioning.documents import LIST
from tests.app.provisioning.client import BASE, Client, user


async def test_a_joiner_is_an_account_without_a_password_and_a_leaf_of_the_client(client: Client) -> None:
    answer = await client.send("POST", "/Users", user())
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == SCIM_MEDIA_TYPE
    assert answer.headers["location"] == made["meta"]["location"] == f"{BASE}/Users/{made['id']}"
    assert answer.headers["etag"] == made["meta"]["version"]
    assert (made["userName"], made["externalId"], made["active"]) == ("giulia.rossi", "ext-giulia.rossi", True)
    assert made["name"] == {"givenName": "Giulia", "familyName": "Rossi", "formatted": "Giulia Rossi"}
    assert made["roles"] == [{"value": "Desk"}]
    assert "emails" not in made
    [account] = [one for one in await client.house.all(StaffAccount) if one.login == "giulia.rossi"]
    assert (account.role, account.password_hash, account.signature) == ("agent", "", "Giulia")
    [leaf] = await client.house.leaves("staff.added", stream=f"staff:{account.id}")
    assert leaf["actor"] == {"k": "client", "id": "scim"}
    assert leaf["data"] == {"role": "agent"}


@pytest.mark.parametrize(
    "text", ['userName eq "Giulia.Rossi"', 'externalId eq "ext-giulia.rossi"', 'USERNAME EQ "giulia.rossi"']
)
async def test_an_account_is_found_by_the_filters_that_clients_use(client: Client, text: str) -> None:
    made = await client.joins()
    await client.joins("marco.bianchi")
    found = (await client.send("GET", f"/Users?filter={quote(text)}")).json()
    assert (found["schemas"], found["totalResults"], found["itemsPerPage"]) == ([LIST], 1, 1)
    assert found["Resources"][0]["id"] == made["id"]
    nobody = (await client.send("GET", f"/Users?filter={quote(text.replace('iulia', 'uido'))}")).json()
    assert (nobody["totalResults"], nobody["Resources"]) == (0, [])


async def test_pages_are_bounded_and_numbered_from_one(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.joins(name)
    page = (await client.send("GET", "/Users?startIndex=2&count=1")).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert [one["userName"] for one in page["Resources"]] == ["b"]
    moved = (await client.send("GET", "/Users?startIndex=-5&count=100000")).json()
    assert (moved["startIndex"], moved["itemsPerPage"]) == (1, 3)
    assert (await client.send("GET", "/Users?count=-1")).json()["Resources"] == []


async def test_an_account_with_a_password_here_is_nobodys_to_see_or_end(client: Client) -> None:
    """The first administrator and break-glass stay out of a provisioning client's reach; their names are taken."""
    ada = client.house.ada.id
    everybody = (await client.send("GET", "/Users")).json()
    assert everybody["totalResults"] == 0
    assert (await client.send("GET", f"/Users/{ada}")).status_code == 404
    assert (await client.send("DELETE", f"/Users/{ada}")).status_code == 404
    assert (await client.patch(str(ada), {"op": "replace", "path": "active", "value": False})).status_code == 404
    answer = await client.send("POST", "/Users", user("ADA"))
    assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")


async def test_the_same_again_changes_nothing_and_leaves_nothing(client: Client) -> None:
    made = await client.joins()
    before = await client.house.leaves()
    again = await client.send("PUT", f"/Users/{made['id']}", user())
    assert (again.status_code, again.json()) == (200, made)
    assert again.headers["etag"] == made["meta"]["version"]
    twice = await client.patch(made["id"], {"op": "replace", "path": "active", "value": True})
    assert twice.json() == made
    assert await client.house.leaves() == before
    assert (await client.send("POST", "/Users", user())).status_code == 409
    same_id = await client.send("POST", "/Users", user("other", externalId="ext-giulia.rossi"))
    assert (same_id.status_code, same_id.json()["scimType"]) == (409, "uniqueness")
    assert await client.house.leaves() == before


async def test_what_is_put_is_what_there_is_and_what_is_not_said_of_rights_stays(client: Client) -> None:
    made = await client.joins()
    body = {"userName": "Giulia.Verdi", "NAME": {"GIVENNAME": "Giulia", "familyName": "Verdi"}, "nickName": "G. V."}
    changed = (await client.send("PUT", f"/Users/{made['id']}", body)).json()
    assert (changed["userName"], changed["nickName"]) == ("giulia.verdi", "G. V.")
    assert "externalId" not in changed
    assert (changed["active"], changed["roles"]) == (True, [{"value": "Desk"}])
    assert changed["meta"]["version"] != made["meta"]["version"]


async def test_roles_come_from_the_table_and_a_change_has_its_leaf(client: Client) -> None:
    made = await client.joins()
    lead = [{"op": "Replace", "path": "roles", "value": [{"value": "Desk"}, {"value": "Desk leads"}]}]
    assert (await client.patch(made["id"], *lead)).status_code == 200
    account = await client.house.one(StaffAccount, _id(made))
    assert account.role == "supervisor"
    [leaf] = await client.house.leaves("staff.role_changed")
    assert leaf["data"] == {"from": "agent", "to": "supervisor"}
    for roles in ([], [{"value": "Kitchen"}], [{"value": "Desk"}, {"value": "Audit"}]):
        answer = await client.patch(made["id"], {"op": "replace", "path": "roles", "value": roles})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert (await client.house.one(StaffAccount, _id(made))).role == "supervisor"
    nobody = await client.send("POST", "/Users", user("x", roles=[{"value": "administrator"}]))
    assert nobody.status_code == 400


async def test_a_version_that_has_gone_is_refused(client: Client) -> None:
    made = await client.joins()
    old = made["meta"]["version"]
    assert (await client.send("GET", f"/Users/{made['id']}", **{"if-none-match": old})).status_code == 304
    rename = {"op": "replace", "path": "displayName", "value": "Giulia R."}
    assert (await client.patch(made["id"], rename, **{"if-match": old})).status_code == 200
    late = await client.patch(made["id"], {**rename, "value": "G."}, **{"if-match": old})
    assert (late.status_code, late.json()["schemas"], late.json()["status"]) == (412, [SCIM_ERROR], "412")
    assert (await client.send("DELETE", f"/Users/{made['id']}", **{"if-match": old})).status_code == 412
    assert (await client.read(made["id"]))["displayName"] == "Giulia R."


async def test_two_who_make_the_same_account_at_once_make_one(client: Client) -> None:
    answers = await asyncio.gather(*(client.send("POST", "/Users", user()) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "invalidValue"),
        ({"userName": "   "}, "invalidValue"),
        ({"userName": "\u3000"}, "invalidValue"),
        ({"userName": 7}, "invalidValue"),
        ({"userName": "x" * 101}, "invalidValue"),
        ({"userName": "a\u202eb"}, "invalidValue"),
        ({"userName": "x", "USERNAME": "y"}, "invalidSyntax"),
        ({"userName": "x", "active": "perhaps"}, "invalidValue"),
        ({"userName": "x", "name": "Giulia"}, "invalidValue"),
        ({"userName": "x", "roles": "Desk"}, "invalidValue"),
        ({"userName": "x", "roles": [[]]}, "invalidValue"),
        ({"userName": "x", "roles": [{"value": "Desk"}] * 51}, "invalidValue"),
        ({"userName": "x", "roles": [{"value": "a", "VALUE": "b"}]}, "invalidSyntax"),
        ([], "invalidSyntax"),
        ("x", "invalidSyntax"),
    ],
)
async def test_what_makes_no_sense_is_a_scim_error_without_the_value(client: Client, body: Any, kind: str) -> None:
    answer = await client.send("POST", "/Users", body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, SCIM_MEDIA_TYPE)
    said = answer.json()
    assert (said["schemas"], said["status"], said["scimType"]) == ([SCIM_ERROR], "400", kind)
    assert set(said) == {"schemas", "status", "scimType", "detail"}


@pytest.mark.parametrize("query", ["filter=x", "filter=userName+co+%22a%22", "filter=userName+eq+%22a", "filter=" + "x" * 2000, "filter=userName+eq+%22%5Cud800%22", "filter=", "count=x", "startIndex=1e9", "count=" + "9" * 40])  # fmt: skip
async def test_queries_that_cannot_be_read_are_refused(client: Client, query: str) -> None:
    answer = await client.send("GET", f"/Users?{query}")
    assert (answer.status_code, answer.json()["schemas"]) == (400, [SCIM_ERROR])


async def test_every_refusal_of_the_door_speaks_scim(client: Client) -> None:
    told = [
        await client.send("GET", "/Users/no-id"),
        await client.send("GET", "/Nothing"),
        await client.send("POST", "/Users", user(), **{"content-type": "text/plain"}),
        await client.send("POST", "/Users", {"userName": "x" * 70_000}),
        await client.send("GET", "/Users", authorization="Bearer wrong"),
    ]
    assert [answer.status_code for answer in told] == [404, 404, 415, 413, 401]
    assert {answer.headers["content-type"] for answer in told} == {SCIM_MEDIA_TYPE}
    assert {answer.json()["status"] for answer in told} == {"404", "415", "413", "401"}


async def test_it_says_what_it_can(client: Client) -> None:
    config = (await client.send("GET", "/ServiceProviderConfig")).json()
    assert (config["patch"]["supported"], config["bulk"]["supported"], config["etag"]["supported"]) == (
        True,
        False,
        True,
    )
    types, schemas = [(await client.send("GET", path)).json() for path in ("/ResourceTypes", "/Schemas")]
    assert [one["endpoint"] for one in types["Resources"]] == ["/Users"]
    assert {one["name"] for one in schemas["Resources"][0]["attributes"]} >= {"userName", "active", "roles"}


def _id(made: dict[str, Any]) -> Any:
    return UUID(made["id"])
