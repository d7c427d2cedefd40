"""Work in a child process that need not import anything again; its result comes back through a pipe."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

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


def _run(answering: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    answering.send(work(*arguments))
    answering.close()
