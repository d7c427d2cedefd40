"""What the OpenAPI document says of how a client proves itself; the framework sees only that a header is read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from fastapi import FastAPI

OPEN: Final = ("/api/v1/tokens", "/api/v1/password")
"""Where a token is asked for, none is needed."""


def name_security(app: FastAPI, *, token_url: str, scopes: Collection[str], cookie: str) -> None:
    """Add the ways in to the document: a token, one bound to a key (RFC 9449), a program's, the console's session."""
    schemes: dict[str, Any] = {
        "token": {"type": "http", "scheme": "bearer", "description": "POST /api/v1/tokens, or an access token."},
        "bound_token": {
            "type": "http",
            "scheme": "DPoP",
            "description": "A token that is bound to a key, with a proof of possession in the header DPoP (RFC 9449).",
        },
        "program": {
            "type": "oauth2",
            "description": "A registered program proves itself by private_key_jwt (RFC 7523).",
            "flows": {"clientCredentials": {"tokenUrl": token_url, "scopes": {one: one for one in sorted(scopes)}}},
        },
        "console": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {})["securitySchemes"] = schemes
        document["security"] = [{name: []} for name in schemes]
        for path in OPEN:
            for operation in document["paths"].get(path, {}).values():
                operation["security"] = []
        return document

    app.openapi = openapi  # type: ignore[method-assign]
