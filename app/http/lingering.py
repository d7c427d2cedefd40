"""Closing a connection so that the client still learns why."""

from __future__ import annotations

import asyncio
from typing import Any

LINGER_SECONDS = 1.0
LINGER_ROUNDS = 30


class LingeringTransport:
    """A transport whose `close` says goodbye and still takes what is on its way.

    Closing a socket with unread data resets it, and the client may lose the answer that told it why.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self.lingering = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether no further request or answer may use this connection."""
        return self.lingering or self._transport.is_closing()

    def close(self) -> None:
        """Send the rest and the end, then wait a moment for the other side to close."""
        if self.is_closing():
            return
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self.lingering = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._end, LINGER_ROUNDS)

    def close_now(self) -> None:
        """Close where nothing can be on its way that matters: the connection was idle."""
        self._transport.close()

    def _end(self, rounds: int) -> None:
        # A slow reader gets the end of its answer first.
        if rounds and self._transport.get_write_buffer_size():
            self._loop.call_later(LINGER_SECONDS, self._end, rounds - 1)
        else:
            self._transport.abort()
