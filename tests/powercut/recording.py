"""Recorded work: the workload as a child process under the recorder, and the record that it leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.powercut.disk import Entry, read_record
from tests.support.native import ROOT, preloading

RECORDER: Final = Path(__file__).with_name("recorder.c")
LONGEST: Final = 120.0


def start(folder: Path, *, messages: int, seed: int, synchronous: str = "as it is") -> subprocess.Popen[bytes]:
    """Begin the workload in an empty folder; several may run at once."""
    for name in ("blueprint", "disk/bank", "disk/outside"):
        (folder / name).mkdir(parents=True)
    command = [sys.executable, "-m", "tests.powercut.workload", str(folder)]
    command += ["--messages", str(messages), "--seed", str(seed), "--synchronous", synchronous]
    environment = preloading(RECORDER, RECORDER_FOLDER=str(folder / "disk"), RECORDER_LOG=str(folder / "record"))
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)


def record_of(folder: Path, running: subprocess.Popen[bytes]) -> list[Entry]:
    """Wait for the workload's end; the record of it."""
    try:
        status = running.wait(LONGEST)
    finally:
        running.kill()
    assert status == 0, (folder / "output").read_text()
    return read_record(folder / "record")
