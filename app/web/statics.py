"""Our own few static files, served by exact name: no folder is ever listed, no path is ever joined."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.errors import NotFound
from app.web.rendering import STATIC

router = APIRouter(include_in_schema=False)
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final = {file.name: TYPES[file.suffix] for file in STATIC.iterdir() if file.suffix in TYPES}


@router.get("/static/{name}")
async def static_file(request: Request, name: str) -> Response:
    """A static file; for ever cacheable under its marked address, see `rendering.static_address`."""
    media_type = FILES.get(name)
    if media_type is None:
        raise NotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable"} if "v" in request.query_params else None
    return Response((STATIC / name).read_bytes(), media_type=media_type, headers=headers)


@router.get("/robots.txt")
async def robots() -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")
