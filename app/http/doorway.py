"""How new connections are taken: few at a time, and in pauses while somebody who is known is being served.

A connection costs several times what a request does that is refused on an old one. The event loop's own server takes
all that wait in one turn; two thousand a second of them leave no processor for anybody else.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

_log = structlog.get_logger("riserbo.server")

PAUSE: Final = 0.005
"""Seconds between two new connections while a prompt request is under way."""
AT_ONCE: Final = 4
"""The most in one turn of the event loop while none is."""
EXHAUSTED: Final = 1.0
"""Seconds until the next try where the system has no file or memory for another connection."""
_EXHAUSTION: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Doorway:
    """Takes the connections of one listening socket from now on; `busy`: whether somebody who is known is served."""

    def __init__(
        self, bound: socket.socket, protocol: Callable[[], asyncio.Protocol], busy: Callable[[], bool]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bound = bound
        self._protocol = protocol
        self._busy = busy
        self._made: set[asyncio.Task[object]] = set()
        self._reopens: asyncio.TimerHandle | None = None
        self._open()

    async def close(self) -> None:
        """Take no more, and wait for those that are being made; the socket stays open."""
        self._loop.remove_reader(self._bound)
        if self._reopens is not None:
            self._reopens.cancel()
        if self._made:
            await asyncio.wait(self._made)

    def _open(self) -> None:
        self._loop.add_reader(self._bound, self._take)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound)
        self._reopens = self._loop.call_later(seconds, self._open)

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTION:
                    raise
                self._rest(EXHAUSTED)
                return
            connection.setblocking(False)
            made = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
            self._made.add(made)
            made.add_done_callback(partial(self._done, connection))
            if self._busy():
                self._rest(PAUSE)
                return

    def _done(self, connection: socket.socket, made: asyncio.Task[object]) -> None:
        self._made.discard(made)
        fault = None if made.cancelled() else made.exception()
        if fault is not None:
            connection.close()
        # A client that was gone before it was served is nobody's error.
        if fault is not None and not isinstance(fault, OSError):
            _log.error("connection_lost", error=type(fault).__name__)
