"""One measurement: the load generator against one or several served processes, or against an empty server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from app.bench.ground import Ground
from app.bench.serving import SOURCE, Address, Served, free_ports
from app.bench.stores import connected
from app.demo.addresses import LOOPBACK

LONGEST: Final = 120.0


class NotMeasured(Exception):
    """The generator did not finish, or what it measured was not what was asked for."""


@dataclass(frozen=True)
class Pressure:
    """How hard, how long (seconds), and whether the other side's streams are open."""

    concurrency: int
    seconds: float
    streams: bool = True
    warm_up: float = 0.5


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Run the generator's process with this job; raises `NotMeasured`."""
    command = [sys.executable, "-m", "app.bench.generator"]
    done = subprocess.run(  # noqa: S603 (our own program)
        command, input=json.dumps(job), capture_output=True, text=True, cwd=SOURCE, timeout=LONGEST, check=False
    )
    if done.returncode != 0:
        raise NotMeasured(done.stderr[-2000:])
    seen: dict[str, Any] = json.loads(done.stdout)
    wanted = str(job.get("wanted", 201))
    if not seen["requests"] or set(seen["statuses"]) != {wanted}:
        raise NotMeasured(f"not {wanted}, but {seen['statuses']}, {seen['broken']} broken; first: {seen['unwanted']}")
    return seen


def post_heads(ground: Ground) -> list[str]:
    """The agent's request for each room, up to the last header line that is always the same."""
    token = ground.staff["anna"].token
    return [
        f"POST /api/v1/conversations/{room.conversation_id}/messages HTTP/1.1\r\nHost: {ground.staff_host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        for room in ground.rooms
    ]


def stream_requests(ground: Ground, last: dict[str, int]) -> list[str]:
    """The customer's stream of each room, behind what is there. Without `Accept`: so its opening is a sign of life."""
    return [
        f"GET /room/events?after={last[room.conversation_id]} HTTP/1.1\r\nHost: {ground.public_host}\r\n"
        f"Cookie: {room.cookie_name}={room.cookie_value}\r\n\r\n"
        for room in ground.rooms
    ]


def last_numbers(ground: Ground) -> dict[str, int]:
    """The newest number of each room, by its id."""
    with closing(connected(ground.settings().main_database)) as connection:
        rows = connection.execute("SELECT id, last_n FROM conversations").fetchall()
    return {str(row[0] if isinstance(row[0], UUID) else UUID(row[0])): int(row[1]) for row in rows}


def post(
    ground: Ground, served: Sequence[Served], pressure: Pressure, processes: dict[str, int] | None = None
) -> dict[str, Any]:
    """Messages posted through the staff door of `served`, delivered to the customers' streams at its public door."""
    job: dict[str, Any] = {
        "targets": [(one.staff.host, one.staff.port) for one in served],
        "heads": post_heads(ground),
        "concurrency": pressure.concurrency,
        "seconds": pressure.seconds,
        "warm_up": pressure.warm_up,
        "cpu": {**{f"server{place or ''}": one.pid for place, one in enumerate(served)}, **(processes or {})},
    }
    if pressure.streams:
        job["stream_targets"] = [(one.public.host, one.public.port) for one in reversed(served)]
        job["streams"] = stream_requests(ground, last_numbers(ground))
    return generate(job)


def get(
    ground: Ground, served: Served, path: str, pressure: Pressure, processes: dict[str, int] | None = None
) -> dict[str, Any]:
    """Pages read through the staff door; `{room}` in `path` is each room's id in turn."""
    token = ground.staff["anna"].token
    return generate(
        {
            "targets": [(served.staff.host, served.staff.port)],
            "heads": [
                f"GET {path.format(room=room.conversation_id)} HTTP/1.1\r\nHost: {ground.staff_host}\r\n"
                f"Authorization: Bearer {token}\r\n"
                for room in ground.rooms
            ],
            "concurrency": pressure.concurrency,
            "seconds": pressure.seconds,
            "warm_up": pressure.warm_up,
            "posts": False,
            "wanted": 200,
            "cpu": {"server": served.pid, **(processes or {})},
        }
    )


@dataclass
class Empty:
    """An empty server that runs: `noop` (FastAPI) or `echo` (bare ASGI)."""

    address: Address
    host: str
    child: subprocess.Popen[bytes] = field(repr=False)

    def measure(self, heads: Sequence[str], pressure: Pressure) -> dict[str, Any]:
        """The same requests as for the system."""
        job = {
            "targets": [(self.address.host, self.address.port)],
            "heads": list(heads),
            "concurrency": pressure.concurrency,
            "seconds": pressure.seconds,
            "warm_up": pressure.warm_up,
            "cpu": {"server": self.child.pid},
        }
        return generate(job)


@contextmanager
def empty_server(kind: str, host: str) -> Iterator[Empty]:
    """Serve `noop` or `echo` in a child process for that value of Host."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "app.bench.empty_server", kind, str(port), host]
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(  # noqa: S603 (our own program)
            command, cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_open(port, child)
            yield Empty(Address(LOOPBACK, port), host, child)
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(10)


def _wait_until_open(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise NotMeasured("the empty server did not start")


def scratch() -> Path:
    """A new folder for one run."""
    return Path(tempfile.mkdtemp(prefix="riserbo-bench-"))
