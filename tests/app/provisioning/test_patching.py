"""PATCH as the common clients write it, and as nobody should."""

from __future__ import annotations

from typing import Any

import pytest

from app.provisioning.errors import ScimRefused
from app.provisioning.patching import patched

NOW: dict[str, Any] = {
    "userName": "giulia",
    "externalId": "e",
    "displayName": "Giulia",
    "nickName": "G",
    "name": {"givenName": "Giulia", "familyName": "Rossi"},
    "active": True,
    "roles": [{"value": "Desk"}],
}


def after(*operations: Any) -> dict[str, Any]:
    return patched(NOW, {"Operations": list(operations)})


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ({"op": "replace", "path": "active", "value": False}, {"active": False}),
        ({"op": "Replace", "path": "active", "value": "False"}, {"active": False}),
        ({"op": "replace", "value": {"active": False}}, {"active": False}),
        ({"op": "Add", "value": {"name.familyName": "Verdi"}}, {"name": {"givenName": "Giulia", "familyName": "Verdi"}}),
        ({"op": "replace", "path": "NAME.FamilyName", "value": "V"}, {"name": {"givenName": "Giulia", "familyName": "V"}}),
        ({"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:userName", "value": "g"}, {"userName": "g"}),
        ({"op": "add", "path": "roles", "value": [{"value": "Audit"}]}, {"roles": [{"value": "Desk"}, {"value": "Audit"}]}),
        ({"op": "add", "path": "roles", "value": [{"value": "Desk"}]}, {}),
        ({"op": "replace", "path": "roles", "value": {"value": "Audit"}}, {"roles": [{"value": "Audit"}]}),
        ({"op": "replace", "path": 'roles[primary eq "True"].value', "value": "Audit"}, {"roles": ["Audit"]}),
        ({"op": "remove", "path": 'roles[value eq "Desk"]'}, {"roles": []}),
        ({"op": "remove", "path": 'roles[value eq "Other"]'}, {}),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@y"}, {}),
        ({"op": "replace", "path": "title", "value": "x"}, {}),
        ({"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "x"}, {}),
        ({"op": "replace", "value": {"id": "x", "meta": {}, "schemas": [], "emails": []}}, {}),
        ({"op": "remove", "path": "nickName"}, {"nickName": None}),
    ],
)  # fmt: skip
def test_an_operation_does_what_it_says(operation: dict[str, Any], changes: dict[str, Any]) -> None:
    found = after(operation)
    expected = {name: value for name, value in (NOW | changes).items() if value is not None}
    assert found == expected


def test_operations_follow_one_another_and_the_document_before_stays() -> None:
    found = after({"op": "remove", "path": "roles"}, {"op": "add", "path": "roles", "value": [{"value": "Audit"}]})
    assert found["roles"] == [{"value": "Audit"}]
    assert NOW["roles"] == [{"value": "Desk"}]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "invalidSyntax"),
        ({"Operations": []}, "invalidSyntax"),
        ({"Operations": {}}, "invalidSyntax"),
        ({"Operations": [{"op": "replace", "path": "active", "value": True}] * 101}, "invalidSyntax"),
        ({"Operations": ["x"]}, "invalidSyntax"),
        ({"Operations": [{"path": "active"}]}, "invalidSyntax"),
        ({"Operations": [{"op": ["replace"]}]}, "invalidSyntax"),
        ({"Operations": [{"op": "move", "path": "active"}]}, "invalidSyntax"),
        ({"Operations": [{"op": "remove"}]}, "noTarget"),
        ({"Operations": [{"op": "replace", "value": []}]}, "invalidValue"),
        ({"Operations": [{"op": "replace", "path": 7, "value": 1}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "a[b", "value": 1}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "x" * 501, "value": 1}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "active[a eq 1]", "value": 1}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "userName.x", "value": 1}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "id", "value": "x"}]}, "mutability"),
        ({"Operations": [{"op": "add", "path": "groups", "value": []}]}, "mutability"),
        ({"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
        ({"Operations": [{"op": "remove", "path": "active"}]}, "mutability"),
        ({"Operations": [{"op": "replace", "path": "name", "value": "x"}]}, "invalidValue"),
        ({"Operations": [{"op": "add", "path": "roles", "value": [1] * 101}]}, "invalidValue"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_the_word_of_the_rfc(body: dict[str, Any], kind: str) -> None:
    with pytest.raises(ScimRefused) as refused:
        patched(NOW, body)
    assert refused.value.kind == kind
