"""Puts the Square together: one ASGI app with its own state, pages, API and OAuth server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.demo.site import ApiRefusal, Guarded, PageRefusal, answer_api_refusal
from app.demo.square import bot_api, oauth_routes, pages
from app.demo.square.models import SquareSeed
from app.demo.square.oauth import AuthorizationServer
from app.demo.square.rendering import FOLDER, page
from app.demo.square.store import Clock, Square


async def refuse_page(request: Request, refusal: Exception) -> Response:
    """The page that explains a refusal."""
    assert isinstance(refusal, PageRefusal)
    return page(request, "refusal.html", refusal.status, reason=refusal.reason)


async def refuse_http(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods, as JSON under /api and /oauth/token, as a page elsewhere."""
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "not_found" if error.status_code == 404 else "refused"}, error.status_code)
    reason = "not_found" if error.status_code == 404 else "method"
    return page(request, "refusal.html", error.status_code, reason=reason)


def create_square_app(seed: SquareSeed, clock: Clock) -> Starlette:
    """A Square of its own with these people and posts; `clock` gives the time in UTC.

    Its state is `app.state.square`, a `store.Square`, through which tests rename people or close their messages.
    """
    app = Starlette(
        routes=[
            *pages.ROUTES,
            *bot_api.ROUTES,
            *oauth_routes.ROUTES,
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Guarded)],
        exception_handlers={
            ApiRefusal: answer_api_refusal,
            PageRefusal: refuse_page,
            HTTPException: refuse_http,
        },
    )
    app.state.square = Square(seed, clock)
    app.state.server = AuthorizationServer(app.state.square.issuer, seed.clients)
    return app
