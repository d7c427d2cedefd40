"""A served installation, its good clients, and how they fare while something happens."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from app.bench.ground import PUBLIC_URL, UNHURRIED, Ground
from app.bench.serving import Served
from tests.support.soak import SOAK

REPOSITORY: Final = Path(__file__).resolve().parents[2]
WINDOW: Final = 1.5
GOOD_ROOMS: Final = 42
"""The first ones belong to the good clients, the rest to attackers."""
FLOOR_MS: Final = 12.0
"""What a loaded machine adds to a 99th percentile by itself."""
RATIO: Final = 2
STARVED_RATIO: Final = 6
"""In every run other tests have the other processor, and only starving is told apart; `make soak` runs alone."""
Span = tuple[float, float]
"""From when to when, monotonic seconds."""


@dataclass(frozen=True)
class Asked:
    """One request of a good client."""

    at: float
    who: str
    status: int
    ms: float
    again: str


@dataclass(frozen=True)
class Fared:
    """How the good clients fared in some seconds: the median of each window's 99th percentile."""

    p50: float
    p99: float
    requests: int
    failed: list[Asked]

    def is_within(self, idle: Fared) -> bool:
        """Whether the 99th percentile stayed within twice the idle figure; beside other tests, within six times."""
        return self.p99 <= (RATIO if SOAK else STARVED_RATIO) * max(idle.p99, FLOOR_MS)


class Arena:
    """One process of the service and one of good clients."""

    watch: Watch

    def __init__(self, ground: Ground, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.ground = ground
        own = {name: value for name, value in ground.environment.items() if name not in UNHURRIED}
        self.served = Served(ground.folder, environment={**own, **(environment or {})}, log=folder / "served.log")
        self._folder = folder

    @property
    def doors(self) -> dict[str, dict[str, Any]]:
        """Port and host of each door."""
        return {
            "public": {"port": self.served.public.port, "host": self.ground.public_host},
            "staff": {"port": self.served.staff.port, "host": self.ground.staff_host},
        }

    def rss(self) -> int:
        """Resident memory of the server, bytes."""
        lines = Path(f"/proc/{self.served.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def open_files(self) -> int:
        """Connections and whatever else it has open."""
        return len(list(Path(f"/proc/{self.served.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        """What the server has used so far."""
        fields = Path(f"/proc/{self.served.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    @contextmanager
    def opened(self) -> Iterator[Watch]:
        """Serve, with the good clients at work."""
        with self.served:
            prefer(self.served.pid, -15)
            with self.good_clients() as self.watch:
                yield self.watch

    def post(self, room: int, text: str, *, staff: str = "anna") -> float:
        """Write into a room; how many seconds until it was acknowledged."""
        line = HTTPConnection(self.served.staff.host, self.served.staff.port, timeout=20)
        headers = {
            "Host": self.ground.staff_host,
            "Authorization": f"Bearer {self.ground.staff[staff].token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{time.monotonic_ns()}",
        }
        path = f"/api/v1/conversations/{self.ground.rooms[room].conversation_id}/messages"
        begun = time.monotonic()
        line.request("POST", path, json.dumps({"text": text}), headers)
        answer = line.getresponse()
        assert answer.status == 201, answer.read()
        line.close()
        return time.monotonic() - begun

    @contextmanager
    def good_clients(self) -> Iterator[Watch]:
        """While the block runs, agents and customers work."""
        rooms = [
            {"id": room.conversation_id, "cookie": f"{room.cookie_name}={room.cookie_value}"}
            for room in self.ground.rooms[:GOOD_ROOMS]
        ]
        plan = {**self.doors, "origin": PUBLIC_URL, "token": self.ground.staff["anna"].token, "rooms": rooms}
        path = self._folder / f"good-{time.monotonic_ns()}.txt"
        with path.open("wb") as out, program("tests.hostile.good", plan, out) as child:
            yield Watch(path)
            assert child.poll() is None, "the good clients ended"

    def flood(self, seconds: float, connections: int, per_second: float, *, door: str = "public", **more: Any) -> Flood:
        """Begin a flood of `heads`."""
        rate = {"connections": connections, "per_second": per_second}
        return Flood({"port": self.doors[door]["port"], "seconds": seconds, **rate, **more})

    def head(self, method: str, path: str, *lines: str, door: str = "public") -> str:
        """The head of a request without a body."""
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {self.doors[door]['host']}", *lines, "", ""])


class Flood:
    """A flood under way."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._child = started("tests.hostile.flood", plan)
        prefer(self._child.pid, 5)

    def outcome(self) -> dict[str, Any]:
        """Wait for its end."""
        out, _ = self._child.communicate(timeout=60)
        outcome: dict[str, Any] = json.loads(out)
        return outcome


class Held:
    """Streams of one plan, held until the end of the block."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._child = started("tests.hostile.streams", plan)
        self.seconds: float = self._hear()["seconds"]

    def count(self) -> dict[str, Any]:
        """How many are open, were refused or cut, and when the mark arrived."""
        tell(self._child, "count")
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        heard: dict[str, Any] = json.loads(self._child.stdout.readline())
        return heard

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate(timeout=10)


class Watch:
    """What the good clients write down."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seconds(self, seconds: float) -> Span:
        """Let so many seconds pass."""
        begun = time.monotonic()
        time.sleep(seconds)
        return begun, begun + seconds

    def over(self, spans: Sequence[Span]) -> Fared:
        """How agents and customers fared in these times. Asked a second later, or the slowest are still missing."""
        mine, highest = [], []
        for begun, ended in spans:
            count = max(1, round((ended - begun) / WINDOW))
            steps = [begun + (ended - begun) * number / count for number in range(count + 1)]
            for start, end in pairwise(steps):
                window = [one for one in self.asked(start, end) if one.who in ("agent", "customer")]
                mine += window
                highest += [percentile([one.ms for one in window], 0.99)] if window else []
        failed = [one for one in mine if one.status not in (200, 201)]
        return Fared(percentile([one.ms for one in mine], 0.5), statistics.median(highest), len(mine), failed)

    def asked(self, begun: float, ended: float, who: str = "") -> list[Asked]:
        """Requests that began in this time."""
        lines = [line.split() for line in self._path.read_text("ascii").splitlines(keepends=True) if line[-1] == "\n"]
        found = [Asked(float(at), name, int(status), float(ms), again) for at, name, status, ms, again in lines]
        return [one for one in found if begun <= one.at < ended and who in ("", one.who)]


@contextmanager
def program(module: str, plan: Mapping[str, Any], out: Any) -> Iterator[subprocess.Popen[str]]:
    """A child with the plan on its input, ended by the end of its input."""
    child = started(module, plan, out)
    assert child.stdin is not None
    prefer(child.pid, -15)
    try:
        yield child
    finally:
        child.stdin.close()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)


def started(module: str, plan: Mapping[str, Any], out: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    """A child process in its own session, which runs this module and has been told the plan."""
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=out,
        cwd=REPOSITORY,
        text=True,
        start_new_session=True,
    )
    tell(child, plan)
    return child


def tell(child: subprocess.Popen[str], words: object) -> None:
    """Write one line of JSON to its input."""
    assert child.stdin is not None
    child.stdin.write(json.dumps(words) + "\n")
    child.stdin.flush()


def prefer(pid: int, nice: int) -> None:
    """Set who goes first on a busy machine, where that is allowed: other tests' work is not the attack.

    Linux weighs sessions ("autogroups") before it looks at the priority of a process.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), "ascii")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.nan
