"""What our own server could do at most: a FastAPI route that does nothing, and a bare ASGI echo, behind the same walls.

A process of its own: `python -m app.bench.empty_server noop|echo PORT`; same uvicorn, uvloop, httptools and guarded
protocol as the doors, and the same requests.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

import uvloop
from fastapi import Depends, FastAPI, Header
from starlette.types import ASGIApp, Receive, Scope, Send

from app.conversations.schemas import MessageIn, PostedOut
from app.http.server import Listener, run_servers

NOBODY: Final = UUID(int=1)


async def _somebody(authorization: Annotated[str, Header()]) -> str:
    return authorization


def noop_app() -> FastAPI:
    """The posting route's shape with nothing behind it: pydantic body, dependency, header, response_model."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/api/v1/conversations/{conversation_id}/messages", status_code=201, response_model=PostedOut)
    async def write(
        conversation_id: UUID,
        body: MessageIn,
        _who: Annotated[str, Depends(_somebody)],
        key: Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)],
    ) -> PostedOut:
        del conversation_id, key
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        return PostedOut(id=NOBODY, n=len(body.text), state="sent", data_class="account", sent_at=moment)

    return app


async def echo_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, send it back."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve(app: ASGIApp, hosts: list[str], port: int) -> None:
    """Until SIGTERM."""
    await run_servers([Listener(name="empty", app=app, hosts=hosts, port=port)], asyncio.Event())


def main() -> None:
    """`KIND PORT HOST`: answers to that value of Host."""
    kind, port, host = sys.argv[1:]
    app: ASGIApp = noop_app() if kind == "noop" else echo_app
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, [host], int(port)))


if __name__ == "__main__":
    main()
