"""A process that has every library loaded and nothing of ours, and forks one pytest run for each line that it reads.

Loading the libraries is most of what a run of few tests costs. A line is JSON: `arguments` of pytest and the file for
its `output`; the answer is the exit status, as a line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import traceback

import pytest

OURS = ("app", "security", "migrations", "tests")


def load_libraries() -> None:
    """Load ours with all that they need, and forget ours: a fault is planted where they are loaded anew."""
    import tests.support.house  # noqa: F401

    for name in [name for name in sys.modules if name.split(".", 1)[0] in OURS]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def run_tests(arguments: list[str], output: str) -> int:
    """One pytest run in a fork of this process; returns its status, or minus the signal that ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status: int = pytest.ExitCode.INTERNAL_ERROR
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(file, stream)
        # libraries that bring plugins of pytest are loaded already: their own asserts need no better words
        status = pytest.main(["-W", "ignore::pytest.PytestAssertRewriteWarning", *arguments])
    except BaseException:  # noqa: BLE001 (whatever it was is told in the output, and never runs on here)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    load_libraries()
    assert threading.active_count() == 1, "a fork would lose a thread"
    for line in sys.stdin:
        job = json.loads(line)
        print(run_tests(job["arguments"], job["output"]), flush=True)
