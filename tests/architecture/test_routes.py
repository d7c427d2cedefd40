"""Each route says who may call it, and neither door has the other's routes."""

from __future__ import annotations

import importlib
import inspect
from typing import Annotated, Any
from unittest.mock import MagicMock

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.actors import Customer, Staff, Visitor
from app.sessions.models import Session
from tests.architecture.routes import iter_routes, named_types

DOORS = ("public", "staff")
ACTORS = {Customer, Staff, Visitor, Session}
# Routes that serve anybody, each with its reason. One that has gone, or that names an actor after all, must leave the list.
BOTH_DOORS = {
    "GET /static/{name}": "our own files, by exact name",
    "GET /robots.txt": "nothing here is for search engines",
    "POST /csp-report": "browsers report breaches of the content policy; counted, not kept",
}
ANYBODY: dict[str, dict[str, str]] = {
    "public": BOTH_DOORS
    | {
        "GET /c/{slug}": "the case link: one static page, the same for any link and for everybody",
        "GET /verify": "anybody may ask whether a reply is the bank's own",
        "POST /verify": "anybody may ask whether a reply is the bank's own",
        "GET /not-me": "whoever got a notice, on whatever device",
        "POST /not-me": "the reference of the notice is the proof",
        "GET /privacy": "the notice itself",
        "GET /oauth/jwks.json": "the public keys by which identity providers know the bank",
        "GET /oauth/clients/{connector}.json": "the document by which a network's servers know the bank",
        "GET /wallet/{provider}/request/{state}": "a wallet has no session; the address is the secret",
        "POST /wallet/{provider}/response/{state}": "a wallet has no session; what it posts counts in its browser only",
        "GET /trust.json": "the public keys that check a receipt",
    },
    "staff": BOTH_DOORS
    | {
        "GET /signin": "the way in",
        "POST /signin": "the way in",
        "POST /signin/provider": "the way in, by the bank's own sign-in",
        "GET /signin/return": "the way in, by the bank's own sign-in",
        "POST /signin/backchannel-logout": "the provider's signed word is the proof",
        "POST /api/v1/tokens": "the way in, for people's programs",
        "POST /api/v1/password": "the old password and a code are the proof, as at the way in",
        "POST /oauth/token": "the way in, for registered programs: a signed assertion is the proof",
        "GET /oauth/jwks": "public keys",
        "GET /.well-known/oauth-authorization-server": "what a client's author needs to know (RFC 8414)",
    },
}


def _routes(door: str) -> dict[str, APIRoute]:
    """The routes of one door, built over stand-ins: only its shape is looked at, nothing is called."""
    factory = getattr(importlib.import_module("app.main"), f"create_{door}_app")
    needed = [name for name, given in inspect.signature(factory).parameters.items() if given.default is given.empty]
    app: Any = factory(**{name: MagicMock() for name in needed})
    found = {
        f"{method} {path}": route
        for path, route in iter_routes(app)
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    }
    assert len(found) > 10, f"the walk found too few routes on the {door} door"
    return found


@pytest.mark.parametrize("door", DOORS)
def test_every_route_names_its_actor_or_is_open_for_a_reason(door: str) -> None:
    unnamed = {name for name, route in _routes(door).items() if named_types(route).isdisjoint(ACTORS)}
    assert unnamed == set(ANYBODY[door])


def test_no_staff_route_exists_on_the_public_door() -> None:
    public, staff = _routes("public"), _routes("staff")
    shared = public.keys() & staff.keys()
    assert sorted(shared - set(BOTH_DOORS)) == []
    assert [path for path, route in public.items() if Staff in named_types(route)] == []


def _visitor() -> Visitor:
    raise NotImplementedError


async def _with_actor(actor: Annotated[Visitor | None, Depends(_visitor)]) -> None: ...


async def _without_actor(number: int) -> None: ...


def test_the_walk_finds_included_and_mounted_routes() -> None:
    inner = APIRouter()
    inner.add_api_route("/named", _with_actor)
    outer = APIRouter(prefix="/outer")
    outer.include_router(inner, prefix="/inner")
    mounted = FastAPI(openapi_url=None)
    mounted.add_api_route("/unnamed", _without_actor)
    app = FastAPI(openapi_url=None)
    app.include_router(outer, prefix="/top")
    app.mount("/mounted", mounted)
    app.router.routes.append(Mount("/static", app=StaticFiles(directory=".")))

    found = {path: route for path, route in iter_routes(app) if isinstance(route, APIRoute)}

    assert set(found) == {"/top/outer/inner/named", "/mounted/unnamed"}
    assert Visitor in named_types(found["/top/outer/inner/named"])
    assert named_types(found["/mounted/unnamed"]).isdisjoint({Visitor, Staff, Customer})
