"""The connection's guard: uvicorn's HTTP protocol with deadlines, limits and one strict reading of each request.

uvicorn waits for ever for a request that drips in, and takes two Hosts or a header of a mebibyte. Here such a request
is answered with a problem and the connection closed before an application hears of it. A request that reads well may
still be turned away by `Admission`; the connection then stays open, where that costs less than a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.admission import BUSY, Admission, Head, TurnedAway, Visit
from app.http.cycles import ANSWERED, GuardedCycle
from app.http.framing import FramingLimits, FramingRefused, body_length, check_fields, check_line
from app.http.lingering import LingeringTransport
from app.http.refusals import refusal_bytes

SHORT_BODY: Final = 64 * 1024
"""Bytes of a body that are here before the application hears of its request, or are read and thrown away where it never
does; of a longer one the application decides itself.
"""
ONCE_MORE: Final = 0.05


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `hosts` are the values of Host that are served here, lower case, with their port."""

    limits = FramingLimits()
    hosts: frozenset[bytes] = frozenset()
    door = ""
    gate: Admission | None = None
    between: dict[GuardedProtocol, None]
    """Connections of this door that hold no request, the one that waits longest first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = cast("int", self.limits.idle_seconds)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._reading_head = True
        self._head_bytes = 0
        self._framing_bytes = 0
        self._deaf = False
        self._not_before = 0.0
        self._favoured = False
        self._piece = self._read
        self._incomplete: GuardedCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the deadline for the first head; where all connections are taken, an idle one makes room."""
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self.loop)))
        if len(self.connections) > self.limits.connections and self.between:
            next(iter(self.between)).give_way()
        self.between[self] = None
        self._start(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind, and hold nothing."""
        self._stop()
        self._let_go()
        for timer in (self._stall, self._rest):
            if timer:
                timer.cancel()
        self.between.pop(self, None)
        if self.gate is not None:
            self.gate.intake.drop(self._piece)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, where known clients are served now, after a while; no more from a connection that was refused."""
        if self._deaf or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._favoured or self.gate is None or not self.gate.intake.take(self._piece, data):
            self._read(data)

    def _read(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return
        if self._reading_head:
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
        if self._deadline is None and not self._deaf:
            self._await_rest()

    def _await_rest(self) -> None:
        """The deadline of what is still missing; most requests come whole and need none."""
        if not self._reading_head:
            self._start(self.limits.body_seconds)
        elif self._head_bytes:
            # Also before the first byte of a request counts as one: blank lines would drip in for ever.
            self._start(self.limits.header_seconds)

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
        method = self.parser.get_method()
        check_line(method.decode("ascii"), self.url, version, self.limits)
        check_fields(self.headers, version, self.hosts, self.limits)
        if len(self.connections) > self.limits.connections:
            raise FramingRefused(503)
        self._reading_head = False
        self._head_bytes = 0
        self._stop()
        self.between.pop(self, None)
        visit: Visit | TurnedAway | None = None
        if self.gate is not None:
            path = self.url.partition(b"?")[0]
            peer = self.client[0] if self.client else ""
            visit = self.gate.judge(Head(self.door, method, path, self.headers, peer), self.loop.time())
        # Whoever asked on this connection last; behind a proxy it may be another client's next, who gains a moment.
        self._favoured = isinstance(visit, Visit) and visit.prompt and visit.known is not None
        if isinstance(visit, TurnedAway):
            self._turn_away(visit, method, version)
        else:
            self._begin(GuardedCycle(self, self.url, visit))

    def _begin(self, cycle: GuardedCycle) -> None:
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, cast("Any", self.app))
        else:
            # The client has the whole answer before, whose sender has not said so yet.
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, cast("Any", self.app)))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        del app
        if self._awaits_body(cycle):
            # A body that drips in would else hold a place among the requests under way until its time is over.
            self._incomplete = cycle
            self._hold(cycle.body)
        else:
            self._approach(cycle)

    def _awaits_body(self, cycle: GuardedCycle) -> bool:
        if not cycle.more_body or self.expect_100_continue or self.parser.should_upgrade():
            return False
        length = body_length(self.headers)
        return length is None or 0 < length <= SHORT_BODY

    def _approach(self, cycle: GuardedCycle) -> None:
        visit: Visit | None = cycle.visit
        if visit is None:
            self._run(cycle)
        elif visit.delay:
            self.loop.call_later(visit.delay, self._enter, cycle)
        else:
            self._enter(cycle)

    def _run(self, cycle: GuardedCycle) -> None:
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(cycle.ended)
        self.tasks.add(task)

    def _enter(self, cycle: GuardedCycle) -> None:
        def begin(may: bool) -> None:
            if cycle.disconnected or self.transport.is_closing():
                visit.leave()
            elif may:
                self._run(cycle)
            else:
                self._turn_away_late(cycle)

        visit = cast("Visit", cycle.visit)
        if not visit.enter(begin):
            begin(False)

    def _turn_away(self, away: TurnedAway, method: bytes, version: str) -> None:
        """Answer before the application hears of it; a body that is small enough is read and thrown away."""
        self.cycle = ANSWERED
        length = body_length(self.headers)
        short = length is not None and length <= SHORT_BODY and not self.expect_100_continue
        stays = short and version == "1.1" and self.parser.should_keep_alive() and not self.parser.should_upgrade()
        self._say(away, close=not stays, body=method != b"HEAD")
        if not stays:
            self._deaf = True
            self.transport.close()

    def _turn_away_late(self, cycle: GuardedCycle) -> None:
        """The same for a request that waited for its place in vain."""
        cycle.keep_alive = cycle.keep_alive and not (cycle.more_body and body_length(self.headers) != 0)
        cast("Visit", cycle.visit).turned_away(BUSY, self.loop.time())
        self._say(BUSY, close=not cycle.keep_alive, body=cycle.scope["method"] != "HEAD")
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self._deaf = True
            self._stop()
            self.transport.close()
        self.on_response_complete()

    def _say(self, away: TurnedAway, *, close: bool, body: bool) -> None:
        gate = cast("Admission", self.gate)
        gate.count(self.door, away.status)
        self.transport.write(refusal_bytes(away.status, away.seconds, close=close, body=body))
        now = self.loop.time()
        impatient, self._not_before = now < self._not_before, now + away.seconds
        if impatient and not close:
            # Whoever does not wait is made to: what he sends stays in his own machine.
            rest = gate.rest_needed(now, min(away.seconds, self.limits.idle_seconds / 2))
            if rest > 0:
                self.flow.pause_reading()
                self._rest = self.loop.call_later(rest, self._read_on)

    def _read_on(self) -> None:
        self._rest = None
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._framing_bytes = max(0, self._framing_bytes - len(body))
        super().on_body(body)
        self._hold(body)

    def _hold(self, body: bytes | bytearray) -> None:
        """Of all bodies that are awaited only so many bytes; what is beyond that needs a place at once."""
        if self._incomplete is not None:
            fits = self.gate is None or self.gate.hold(len(body))
            if not fits or len(self._incomplete.body) > SHORT_BODY:
                self._has_come()

    def _let_go(self) -> GuardedCycle | None:
        cycle, self._incomplete = self._incomplete, None
        if cycle is not None and self.gate is not None:
            self.gate.held -= len(cycle.body)
        return cycle

    def on_message_complete(self) -> None:
        """The request is whole; the next bytes begin another one."""
        self._stop()
        self._reading_head = True
        self._framing_bytes = 0
        if self.cycle is ANSWERED:
            self._wait_for_next()
        super().on_message_complete()
        self._has_come()

    def _has_come(self) -> None:
        """The request is whole, or as much of it as is waited for: now it may begin."""
        cycle = self._let_go()
        if cycle is not None:
            self._approach(cycle)

    def on_response_complete(self) -> None:
        """The connection is between two requests, unless another one waits already."""
        super().on_response_complete()
        if self._rest is not None:
            # uvicorn reads on after every answer.
            self.flow.pause_reading()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self.between[self] = None

    def _wait_for_next(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.between[self] = None

    def give_way(self) -> None:
        """Close at once in favour of a newer connection."""
        self.between.pop(self, None)
        if self._head_bytes and not self.transport.is_closing():
            self.transport.write(refusal_bytes(503))
        self._deaf = True
        self._close_now()

    def pause_writing(self) -> None:
        """The reader is slower than the answer; it gets so long and no longer."""
        super().pause_writing()
        if self._stall is None:
            # What waits for the reader of a stream by now is all that a stream may keep waiting.
            streams = self.cycle is not None and getattr(self.cycle, "streams", False)
            seconds = self.limits.stream_stall_seconds if streams else self.limits.stall_seconds
            self._stall = self.loop.call_later(seconds, self.transport.abort)

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
        self._deadline = self.loop.call_later(seconds, self._expired)

    def _expired(self) -> None:
        if self.gate is not None and self._piece in self.gate.intake:
            # The rest may be here; it is we who have not read it yet.
            self._start(ONCE_MORE)
        else:
            self._refuse(408)

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
            if self.gate is not None:
                self.gate.count(self.door, status)
        if under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def guarded_protocol(
    hosts: Sequence[str], limits: FramingLimits, *, door: str = "", gate: Admission | None = None
) -> Callable[..., asyncio.Protocol]:
    """The protocol class of one listener."""
    served = frozenset(host.lower().encode("ascii") for host in hosts)
    own = {"hosts": served, "limits": limits, "door": door, "gate": gate, "between": {}}
    return type("ListenerProtocol", (GuardedProtocol,), own)
