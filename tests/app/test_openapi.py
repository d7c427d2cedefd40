"""The OpenAPI document: what a client's author reads must be all of the API, and nothing else."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from fastapi.routing import APIRoute

from app.clients.service import MAY_HOLD
from app.http.problems import MEDIA_TYPE
from app.main import create_public_app, create_staff_app
from tests.architecture.routes import iter_routes

PREFIX = "/api/v1"


@pytest.fixture(scope="module")
def staff_app() -> Any:
    """The staff door over stand-ins, with the document switched on: only its shape is looked at."""
    house = MagicMock()
    house.settings.api_docs = True
    return create_staff_app(house)


@pytest.fixture(scope="module")
def document(staff_app: Any) -> dict[str, Any]:
    made: dict[str, Any] = staff_app.openapi()
    return made


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each operation by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")


def test_the_document_names_every_route_of_the_api_and_no_page(staff_app: Any, document: dict[str, Any]) -> None:
    routes = {
        f"{method} {path}"
        for path, route in iter_routes(staff_app)
        if isinstance(route, APIRoute) and path.startswith(PREFIX)
        for method in route.methods or ()
    }
    assert len(routes) > 20
    assert operations(document).keys() == routes


def test_every_refusal_is_documented_as_a_problem_and_never_as_the_frameworks_own(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert list(operation["responses"]["default"]["content"]) == [MEDIA_TYPE], name
        assert "422" not in operation["responses"], name
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_document_names_every_way_to_prove_oneself(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {name: one["type"] for name, one in schemes.items()} == {
        "token": "http",
        "bound_token": "http",
        "program": "oauth2",
        "console": "apiKey",
    }
    assert set(schemes["program"]["flows"]["clientCredentials"]["scopes"]) == MAY_HOLD
    assert document["security"] == [{name: []} for name in schemes]
    open_to_all = {name for name, one in operations(document).items() if one.get("security") == []}
    assert open_to_all == {"POST /api/v1/tokens", "POST /api/v1/password"}


@pytest.mark.parametrize(("door", "asked"), [(create_public_app, True), (create_staff_app, False)])
def test_the_document_is_at_the_staff_door_only_and_only_if_asked_for(door: Any, asked: bool) -> None:
    house = MagicMock()
    house.settings.api_docs = asked
    assert [path for path, _ in iter_routes(door(house)) if "openapi" in path] == []
