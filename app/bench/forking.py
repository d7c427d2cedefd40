"""Work in child processes that need not import anything again: a result through a pipe, or a server."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import IO, Any, Final

_FORK: Final = multiprocessing.get_context("fork")


class ChildFailed(Exception):
    """The child did not finish; it has written why to the standard error."""


class Child:
    """A function that runs in a process of its own from now on. The caller has no threads at that moment."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        self._answer, answering = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=_run, args=(answering, work, arguments), daemon=True)
        self._process.start()
        answering.close()

    def result(self) -> Any:
        """Wait for what it returns; raises `ChildFailed`."""
        try:
            return self._answer.recv()
        except EOFError:
            raise ChildFailed(f"a child ended with {self._process.exitcode}") from None
        finally:
            self._process.join()

    def kill(self) -> None:
        """Do not wait any longer."""
        self._process.kill()
        self._process.join()


class ServingFork:
    """A server in a forked child, in a process group of its own, handled as `subprocess.Popen` is."""

    def __init__(self, work: Callable[[], None], environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._process = _FORK.Process(target=_serve, args=(work, dict(environment), log.fileno()), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The child's id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("serve", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, while it runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


def _serve(work: Callable[[], None], environment: dict[str, str], log: int) -> None:
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(environment)
    work()


def _run(answering: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    answering.send(work(*arguments))
    answering.close()
