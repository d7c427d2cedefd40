"""Processes of an installation under measurement: started on free loopback ports, waited for, ended by signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app.bench.forking import ServingFork
from app.demo.addresses import LOOPBACK
from app.demo.free_ports import drawn, is_free

DRAWS: Final = 500
DOORS: Final = ("public", "staff", "admin")
LOOK_EVERY: Final = 0.02
SOURCE: Final = Path(__file__).resolve().parent.parent.parent


Serve = Callable[[Path, str], None]
"""Serves the installation in a folder in a role, until SIGTERM."""


class NotServing(Exception):
    """The process ended, or did not answer in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Address:
    """Where a door listens."""

    host: str
    port: int

    @property
    def netloc(self) -> str:
        """`127.0.0.1:12345`."""
        return f"{self.host}:{self.port}"


def free_ports(count: int) -> list[int]:
    """Different ones, of this moment; see `drawn`."""
    found: list[int] = []
    for port in drawn(DRAWS):
        if port not in found and is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"no {count} free ports")


class Served:
    """`riserbo serve` of one installation as a child process in a process group of its own; log in a file.

    `role` as in `riserbo serve --role`. `environment` holds the RISERBO_ variables of the installation
    (`Ground.environment`). The addresses stay the same when it is started again. `serve` runs in a fork of this process
    instead of the program: started in no time, for runs in which figures do not count.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        environment: Mapping[str, str] | None = None,
        role: str = "all",
        log: Path | None = None,
        serve: Serve | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.role = role
        ports = free_ports(len(DOORS))
        self.public, self.staff, self.admin = (Address(LOOPBACK, port) for port in ports)
        self.log = log or self.folder / f"served-{role}-{ports[0]}.log"
        self._given = dict(environment or {})
        self._serve = serve
        self._child: subprocess.Popen[bytes] | ServingFork | None = None

    @property
    def pid(self) -> int:
        """The process's id; raises `NotServing` before `start`."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended: negative for a signal, None while it runs."""
        return self._child.poll() if self._child is not None else None

    def start(self) -> Self:
        """Start it, and do not wait; also again after it has ended."""
        if self.alive:
            raise NotServing("it runs already")
        listen = {f"RISERBO_{door.upper()}_LISTEN": getattr(self, door).netloc for door in DOORS}
        environment = {**os.environ, **self._given, **listen, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            if self._serve is not None:
                work = partial(self._serve, self.folder, self.role)
                self._child = ServingFork(work, {**self._given, **listen}, log)
                return self
            self._child = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, "-m", "app.cli", "serve", "--role", self.role, "--dir", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=SOURCE,
                env=environment,
                start_new_session=True,
            )
        return self

    def ready(self, seconds: float = 60.0) -> Self:
        """Wait until it may get traffic; raises `NotServing`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive:
                raise NotServing(f"it ended with {self.returncode}:\n{self.last_lines()}")
            if self._answers():
                return self
            time.sleep(LOOK_EVERY)
        raise NotServing(f"not ready after {seconds} s:\n{self.last_lines()}")

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, and wait; SIGKILL when it has not ended in time. Returns how it ended."""
        return self._end(signal.SIGTERM, seconds)

    def kill(self) -> int:
        """SIGKILL: nothing gets said, written or closed any more."""
        return self._end(signal.SIGKILL, 10.0)

    def send(self, number: signal.Signals) -> None:
        """Any other signal: SIGSTOP, SIGCONT."""
        self._running().send_signal(number)

    def last_lines(self, count: int = 30) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-count:])

    def __enter__(self) -> Self:
        """Start it, unless it runs, and wait until it serves."""
        try:
            return (self if self.alive else self.start()).ready()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    def _running(self) -> subprocess.Popen[bytes] | ServingFork:
        if self._child is None:
            raise NotServing("it was not started")
        return self._child

    def _end(self, number: signal.Signals, seconds: float) -> int:
        child = self._running()
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
        return child.wait(10.0)

    def _answers(self) -> bool:
        connection = HTTPConnection(self.admin.host, self.admin.port, timeout=2.0)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status == 200 and bool(json.loads(answer.read())["ready"])
        except (OSError, HTTPException, ValueError, KeyError):
            return False
        finally:
            connection.close()
