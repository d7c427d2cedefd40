"""An ASGI app on a real loopback socket, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from typing import Any

import uvicorn

from tests.support.ports import listening_socket, port_of


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone: they stop the test run."""
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port. `options` go to uvicorn's Config."""
    listener = listening_socket()
    settings: dict[str, Any] = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1, **options}
    server = _Server(uvicorn.Config(app, **settings))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
                message = "the server stopped before it started"
                raise RuntimeError(message)
            await asyncio.sleep(0.01)
        yield port_of(listener)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)
        listener.close()
