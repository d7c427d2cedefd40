"""The command line, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from app import cli
from tests.architecture.sources import ROOT

PROGRAM = (sys.executable, "-m", "app.cli")


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


class CommandLine:
    """Runs `riserbo …` here; `own_process` where the command starts an event loop beside the test's, or must be killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["riserbo", *map(str, arguments)])
        self._capsys.readouterr()
        before = os.umask(0o022)
        try:
            cli.main()
            status: object = 0
        except SystemExit as ending:
            status = ending.code
        finally:
            os.umask(before)
        printed = self._capsys.readouterr()
        assert isinstance(status, int)
        return Ended(status, printed.out, printed.err)


def own_process(*arguments: object, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> Ended:
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(more or {})},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def one_line(ended: Ended, *parts: str) -> None:
    """Fails unless the fault was told in one line that holds these parts."""
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("riserbo: ")
    assert all(part in lines[0] for part in parts), lines[0]
