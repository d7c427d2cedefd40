"""Each route says who may call it, and neither door has the other's routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.actors import Customer, Staff, Visitor
from tests.architecture.routes import iter_routes, named_types


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
