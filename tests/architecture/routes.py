"""Every route of an application, found by walking: `app.routes` hides the routes of included routers."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route


def iter_routes(app: Any, prefix: str = "") -> Iterator[tuple[str, Route]]:
    """Yield (full path, route) for each route, through included routers and mounted applications."""
    yield from _walk(app.routes, prefix)


def _walk(routes: Iterable[BaseRoute], prefix: str) -> Iterator[tuple[str, Route]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            context = route.include_context  # type: ignore[attr-defined]
            yield from _walk(included.routes, prefix + context.prefix)
        elif isinstance(route, Mount):
            yield from _walk(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            yield prefix + route.path, route


def named_types(route: APIRoute) -> set[type]:
    """The classes that the endpoint and its dependencies take and give: its actor is among them, or it names none."""
    return set(_types_of(route.dependant))


def _types_of(dependant: Dependant) -> Iterator[type]:
    if dependant.call is not None:
        function = inspect.unwrap(dependant.call)
        hints = get_type_hints(function) if inspect.isroutine(function) else {}
        for hint in hints.values():
            yield from _classes(hint)
    for inner in dependant.dependencies:
        yield from _types_of(inner)


def _classes(hint: Any) -> Iterator[type]:
    if get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _classes(part)
    elif isinstance(hint, type):
        yield hint
