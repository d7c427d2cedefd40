"""The connection's guard: uvicorn's HTTP protocol with deadlines, limits and one strict reading of each request.

uvicorn waits for ever for a request that drips in, and takes two Hosts or a header of a mebibyte. Here such a request
is answered with a problem and the connection closed before an application hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.fixed_headers import FIXED_HEADERS, NOT_STORED, NOTHING_LOADS
from app.http.framing import FramingLimits, FramingRefused, check_fields, check_line
from app.http.problems import MEDIA_TYPE, Problem
from app.http.request_ids import new_request_id

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


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `hosts` are the values of Host that are served here, lower case, with their port."""

    limits = FramingLimits()
    hosts: frozenset[bytes] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = cast("int", self.limits.idle_seconds)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._reading_head = True
        self._head_bytes = 0
        self._framing_bytes = 0
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the deadline for the first head."""
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self.loop)))
        self._start(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop()
        if self._stall:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; nothing is read any more from a connection that was refused or is closing."""
        if self._deaf or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._reading_head:
            # Also before the first byte of a request counts as one: blank lines would drip in for ever.
            if self._deadline is None:
                self._start(self.limits.header_seconds)
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
            self._check_unparsed()
        except FramingRefused as refusal:
            self._refuse(refusal.status)
        except httptools.HttpParserCallbackError as error:
            self._refuse(error.__context__.status if isinstance(error.__context__, FramingRefused) else 400)
        except httptools.HttpParserError:
            self._refuse(400)
        except httptools.HttpParserUpgrade:
            # Another protocol is offered; we keep to HTTP/1.1 for this one answer and read no further.
            self._deaf = True
            self.cycle.keep_alive = False

    def _check_unparsed(self) -> None:
        # What the parser holds back of an unfinished field is seen nowhere else.
        if self._reading_head and self._head_bytes > self.limits.header_bytes + self.limits.target_bytes:
            raise FramingRefused(431)
        if self._framing_bytes > self.limits.framing_bytes:
            raise FramingRefused(400)

    def on_message_begin(self) -> None:
        """A new request; one that does not wait for the answer before it (pipelining) is not read."""
        if not self._answered():
            raise FramingRefused(400)
        super().on_message_begin()

    def _answered(self) -> bool:
        """Whether the client may think that it has the whole answer, though the application has not ended it yet.

        A stream of known length has left with its last byte, an answer to HEAD with its head; its sender says so later.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        if not cycle.response_started:
            return False
        return cycle.scope["method"] == "HEAD" or not (cycle.chunked_encoding or cycle.expected_content_length)

    def on_url(self, url: bytes) -> None:
        """Collect the target, within its limit."""
        if len(self.url) + len(url) > self.limits.target_bytes:
            raise FramingRefused(414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; one after the head is a trailer, which would change headers that were checked."""
        if not self._reading_head:
            raise FramingRefused(400)
        if len(self.headers) >= self.limits.header_fields:
            raise FramingRefused(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and only then let the application begin."""
        version = self.parser.get_http_version()
        check_line(self.parser.get_method().decode("ascii"), self.url, version, self.limits)
        check_fields(self.headers, version, self.hosts, self.limits)
        if len(self.connections) > self.limits.connections:
            raise FramingRefused(503)
        super().on_headers_complete()
        self._reading_head = False
        self._head_bytes = 0
        self._start(self.limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._framing_bytes = max(0, self._framing_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; the next bytes begin another one."""
        self._stop()
        self._reading_head = True
        self._framing_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The reader is slower than the answer; it gets so long and no longer."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def shutdown(self) -> None:
        """The server ends: an idle connection closes at once, another after its answer."""
        if self.cycle is None or self.cycle.response_complete:
            self._close_now()
        else:
            self.cycle.keep_alive = False

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self._close_now()

    def _close_now(self) -> None:
        cast("LingeringTransport", self.transport).close_now()

    def _start(self, seconds: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(seconds, self._refuse, 408)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Answer `status` if no answer has begun, tell the application that the client is gone, close."""
        self._stop()
        if self.transport.is_closing():
            return
        self._deaf = True
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way and self._reading_head:
            # What is wrong came behind a whole request, whose answer still goes out, as the last one.
            self.cycle.keep_alive = False
            return
        if self._reading_head or not self.cycle.response_started:
            self.transport.write(refusal_bytes(status))
        if under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def refusal_bytes(status: int) -> bytes:
    """The whole answer to a refused request: problem, fixed headers, and the end of the connection."""
    request_id = new_request_id()
    body = Problem.of_status(status).body(request_id)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *FIXED_HEADERS,
        NOT_STORED,
        NOTHING_LOADS,
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"5"))
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body


def guarded_protocol(hosts: Sequence[str], limits: FramingLimits) -> Callable[..., asyncio.Protocol]:
    """The protocol class of one listener."""
    served = frozenset(host.lower().encode("ascii") for host in hosts)
    return type("ListenerProtocol", (GuardedProtocol,), {"hosts": served, "limits": limits})
