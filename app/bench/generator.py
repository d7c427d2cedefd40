"""The load generator, a process of its own: `python -m app.bench.generator`, a job in as JSON, what was seen out.

It knows HTTP/1.1 as far as these answers need it and builds its requests beforehand: it must be several times cheaper
than what it measures, or it would measure itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, cast

import uvloop

from app.bench.machine import busy_seconds, cpu_of_trees
from app.bench.spread import percentiles

SETTLE: Final = 5.0
LONGER: Final = 20.0
LOOK_EVERY: Final = 0.02
CONNECT: Final = 20.0
NETWORKS: Final = 4096
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_NUMBER: Final = re.compile(rb'"n":\s?(\d+)')
_EVENT_ID: Final = re.compile(rb"^id: (\d+)\r?$", re.MULTILINE)
TEXT: Final = (
    "Buongiorno, abbiamo ricontrollato: la spesa risulta una volta sola, la seconda riga era una prenotazione "
)


@dataclass(frozen=True)
class Job:
    """What to do. `heads` are requests up to their last header line, one a room; `posts` adds key and body to each.

    `streams` are whole GET requests of event streams, one a room, in the order of `heads`; `cpu` names processes whose
    processor time is wanted, by id.
    """

    targets: list[tuple[str, int]]
    heads: list[str]
    concurrency: int
    seconds: float
    warm_up: float = 0.5
    posts: bool = True
    wanted: int = 201
    stream_targets: list[tuple[str, int]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    cpu: dict[str, int] = field(default_factory=dict)


class Load:
    """Everything that the connections of one job share: next request, what came back, what was delivered."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.heads = [head.encode() for head in job.heads]
        self.taken = count()
        self.run_key = f"{time.time_ns():x}"
        self.begin = self.end = float("inf")
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}
        self.sent: dict[tuple[int, int], float] = {}
        self.arrived: dict[tuple[int, int], float] = {}
        self.unwanted = ""
        self.done = 0
        self.open = 0
        self.broken = 0

    def next_request(self) -> tuple[int, bytes]:
        """The room's place and the bytes of the next request."""
        number = next(self.taken)
        room = number % len(self.heads)
        head = self.heads[room]
        if not self.job.posts:
            return room, head + b"\r\n"
        network = number % NETWORKS
        body = b'{"text": "%s%d."}' % (TEXT.encode(), number)
        return room, b"%sX-Forwarded-For: 10.%d.%d.9\r\nIdempotency-Key: %s-%d\r\nContent-Length: %d\r\n\r\n%s" % (
            head,
            network >> 8,
            network & 255,
            self.run_key.encode(),
            number,
            len(body),
            body,
        )

    def answered(self, room: int, sent_at: float, status: int, body: bytes) -> None:
        """Note an answer: what came within the measured time counts, what was sent within it is timed."""
        now = time.perf_counter()
        if status == self.job.wanted and self.begin <= now < self.end:
            self.done += 1
        if not self.begin <= sent_at < self.end:
            return
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status != self.job.wanted:
            self.unwanted = self.unwanted or body[:300].decode("utf-8", "replace")
            return
        self.latencies.append(now - sent_at)
        if self.job.streams:
            found = _NUMBER.search(body)
            if found:
                self.sent[room, int(found[1])] = sent_at


class Caller(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._room = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._load.open += 1
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take an answer, whole or in pieces, and ask again."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end + 2)
        size = int(length[1]) if length else 0
        if len(self._buffer) < end + 4 + size:
            return
        answer, self._buffer = self._buffer, b""
        self._load.answered(self._room, self._sent_at, int(answer[9:12]), answer[end + 4 :])
        if time.perf_counter() < self._load.end:
            self._send()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed, or the time is over."""
        self._load.open -= 1
        if exc is not None or time.perf_counter() < self._load.end:
            self._load.broken += 1

    def _send(self) -> None:
        assert self._transport is not None
        self._room, request = self._load.next_request()
        self._sent_at = time.perf_counter()
        self._transport.write(request)


class Reader(asyncio.Protocol):
    """One open event stream of one room."""

    def __init__(self, load: Load, room: int) -> None:
        self._load = load
        self._room = room
        self._rest = b""
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        cast("asyncio.Transport", transport).write(self._load.job.streams[self._room].encode())

    def data_received(self, data: bytes) -> None:
        """Note each numbered event."""
        now = time.perf_counter()
        data = self._rest + data
        whole, newline, rest = data.rpartition(b"\n")
        if newline and not self.answered.done():
            self.answered.set_result(int(data[9:12]))
        self._rest = rest
        for found in _EVENT_ID.finditer(whole + newline):
            self._load.arrived.setdefault((self._room, int(found[1])), now)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The stream is over."""
        if not self.answered.done():
            self.answered.set_result(0)


async def run(job: Job) -> dict[str, Any]:
    """Do the job; latencies in milliseconds, processor time in microseconds a request."""
    loop, load = asyncio.get_running_loop(), Load(job)
    readers = await _open_streams(load)
    start = time.perf_counter()
    for place in range(job.concurrency):
        host, port = job.targets[place % len(job.targets)]
        await loop.create_connection(lambda: Caller(load), host, port)
    await asyncio.sleep(max(start + job.warm_up - time.perf_counter(), 0))
    before = _processor(job)
    load.begin = time.perf_counter()
    await _until_measured(load)
    elapsed = time.perf_counter() - load.begin
    after = _processor(job)
    await _settle(load)
    refused = sum(1 for reader in readers if reader.answered.result() != 200)
    return _seen(load, elapsed, {name: after[name] - before[name] for name in before}, refused)


async def _until_measured(load: Load) -> None:
    """For the time asked for; longer, within bounds, where a loaded machine has answered too few to speak of."""
    seconds = load.job.seconds
    load.end = load.begin + seconds + LONGER
    await asyncio.sleep(seconds)
    for _ in range(round(LONGER / LOOK_EVERY) - 1):
        if load.done >= 2 * load.job.concurrency:
            break
        await asyncio.sleep(LOOK_EVERY)
    load.end = time.perf_counter()


async def _open_streams(load: Load) -> list[Reader]:
    loop, job = asyncio.get_running_loop(), load.job
    readers = []
    for room in range(len(job.streams)):
        host, port = job.stream_targets[room % len(job.stream_targets)]
        _, reader = await loop.create_connection(lambda room=room: Reader(load, room), host, port)  # type: ignore[misc]
        readers.append(reader)
    if readers:
        await asyncio.wait_for(asyncio.gather(*(reader.answered for reader in readers)), CONNECT)
        # what a new stream first sends, and what its opening makes the server write, is no part of the measurement
        await asyncio.sleep(0.3)
    return readers


def _processor(job: Job) -> dict[str, float]:
    times = cpu_of_trees(list(job.cpu.values()))
    known = {name: times[pid] for name, pid in job.cpu.items()}
    return {**known, "generator": time.process_time(), "machine": busy_seconds()}


async def _settle(load: Load) -> None:
    """Wait for the last answers and deliveries, within bounds."""
    for _ in range(round(SETTLE / LOOK_EVERY)):
        if not load.open and not load.sent.keys() - load.arrived.keys():
            return
        await asyncio.sleep(LOOK_EVERY)


def _seen(load: Load, elapsed: float, processor: dict[str, float], refused: int) -> dict[str, Any]:
    job, done = load.job, load.done
    machine = processor.pop("machine")
    foreign = max(machine - sum(processor.values()), 0.0)
    seen: dict[str, Any] = {
        "concurrency": job.concurrency,
        "requests": done,
        "per_second": done / elapsed,
        "statuses": {str(status): number for status, number in sorted(load.statuses.items())},
        "broken": load.broken,
        "unwanted": load.unwanted,
        **percentiles(load.latencies),
        "cpu_us": {name: seconds * 1e6 / done if done else 0.0 for name, seconds in processor.items()},
        "foreign_cores": foreign / elapsed,
    }
    if job.streams:
        delays = [load.arrived[one] - at for one, at in load.sent.items() if one in load.arrived]
        missing = len(load.sent) - len(delays)
        seen["delivery"] = {**percentiles(delays), "missing": missing, "streams_refused": refused}
    return seen


def main() -> None:
    """One job from the standard input."""
    document = json.load(sys.stdin)
    for name in ("targets", "stream_targets"):
        document[name] = [(host, port) for host, port in document.get(name, [])]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(runner.run(run(Job(**document))), sys.stdout)


if __name__ == "__main__":
    main()
