"""`riserbo serve` without its imports: a mother process has them, and forks a real child for each start.

Importing costs a start more than all the rest, and a suite that kills twenty servers in every run would do little else.
The child is a process of its own, in a session of its own, and runs the command line's own `main`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from app.bench.serving import DOORS, SOURCE, NotServing, Served

LOOK_EVERY: Final = 0.005


class Mother:
    """The process that forks; one for a test run, ended at its end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm_serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=SOURCE,
            text=True,
            bufsize=1,
        )

    def fork(self, arguments: list[str], environment: dict[str, str], log: Path) -> int:
        """The pid of a new child that runs `riserbo ARGUMENTS`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wish = {"arguments": arguments, "environment": environment, "log": str(log)}
        self._process.stdin.write(json.dumps(wish) + "\n")
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


class Child:
    """As much of `subprocess.Popen` as `Served` uses, for a process that is not our own child; the mother reaps it."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log
        self._sent = 0

    def poll(self) -> int | None:
        """None while it runs; then its exit status, or the signal that we sent, as Popen would say it."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            said = status_file(self._log, self.pid)
            return int(said.read_text()) if said.exists() else -self._sent
        return None

    def send_signal(self, number: int) -> None:
        self._sent = number
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("riserbo serve", seconds)
            time.sleep(LOOK_EVERY)
        return ended


class WarmServed(Served):
    """`Served` whose process is forked by a mother; `cold` makes the next start an ordinary one, imports included."""

    mother: Mother
    cold = False

    def start(self) -> Self:
        if self.cold:
            return super().start()
        if self.alive:
            raise NotServing("it runs already")
        listen = {f"RISERBO_{door.upper()}_LISTEN": getattr(self, door).netloc for door in DOORS}
        arguments = ["serve", "--role", self.role, "--dir", str(self.folder)]
        pid = self.mother.fork(arguments, {**self._given, **listen}, self.log)
        child: Any = Child(pid, self.log)
        self._child = child
        return self


def _main() -> None:
    """Import what a server needs, then fork for each line of the standard input."""
    from app import cli
    from app.commands import operating, serving  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(wish, cli.main)
        print(pid, flush=True)


def _run(wish: dict[str, Any], main: Callable[[], None]) -> NoReturn:
    """Never returns into the mother's loop. How it ended stands in a file: only the mother could ask the system."""
    status = 70
    try:
        _become(wish)
        main()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 0
    except BaseException:  # noqa: BLE001 (whatever it was, the mother's loop must not get it)
        traceback.print_exc()
    finally:
        status_file(Path(wish["log"]), os.getpid()).write_text(str(status))
        os._exit(status)


def status_file(log: Path, pid: int) -> Path:
    """Where a child that ended by itself says how."""
    return log.with_suffix(f".{pid}")


def _become(wish: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(wish["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(wish["environment"])
    sys.argv = ["riserbo", *wish["arguments"]]


if __name__ == "__main__":
    _main()
