"""The tests of the tests: each planted fault turns its suite red, for its own reason, and without it the suite is green."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.planted.faults import FAULTS, Fault
from tests.planted.overlay import NoSuchPlace, Overlay, swap
from tests.support.postgres import PostgresServer

LONGEST_RUN = 300.0
CALM = ("-q", "-n0", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short", "-p", "tests.planted.plugin")


@dataclass
class Runs:
    """Runs of pytest in processes of their own, on this run's PostgreSQL."""

    nursery: subprocess.Popen[str]
    server: PostgresServer
    folder: Path

    def of(self, suite: Sequence[str], fault: str | None = None) -> dict[str, Any]:
        """What became of each test of a suite, with a fault or without."""
        report, output = self.folder / "report.json", self.folder / "output"
        report.unlink(missing_ok=True)
        planted = ["--planted", fault] if fault else []
        given = ["--planted-report", str(report), "--server-of", str(self.server.folder)]
        job = {"arguments": [*CALM, *planted, *given, *suite], "output": str(output)}
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(job) + "\n")
        self.nursery.stdin.flush()
        watchdog = threading.Timer(LONGEST_RUN, self.nursery.kill)
        watchdog.start()
        status = self.nursery.stdout.readline().strip()
        watchdog.cancel()
        said = output.read_text(encoding="utf-8") if output.exists() else "nothing was said"
        assert status in {"0", "1"}, f"ended with {status}: {said}"
        told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return told


@pytest.fixture(scope="module")
def runs(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """One nursery for all faults."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.planted.nursery"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with nursery:
        yield Runs(nursery, postgres_server, tmp_path_factory.mktemp("planted"))


def lacking(suite: Sequence[str], tests: Sequence[str]) -> list[str]:
    """What of a suite did not run; without its brackets a name stands for all of its cases."""
    return [wanted for wanted in suite if not any(one == wanted or one.startswith(f"{wanted}[") for one in tests)]


def test_without_a_fault_every_named_test_runs_and_passes(runs: Runs) -> None:
    suite = sorted({one for fault in FAULTS.values() for one in fault.suite})
    told = runs.of(suite)
    assert lacking(suite, list(told["tests"])) == []
    assert {name: one["text"] for name, one in told["tests"].items() if one["outcome"] != "passed"} == {}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_turns_its_suite_red(name: str, runs: Runs) -> None:
    fault: Fault = FAULTS[name]
    told = runs.of(fault.suite, name)
    assert told["met"] == sorted(fault.plant), "nobody met the fault"
    assert lacking(fault.suite, list(told["tests"])) == []
    red = {one: found for one, found in told["tests"].items() if found["outcome"] == "failed"}
    assert red, f"with {name} planted every test stayed green: {list(told['tests'])}"
    reasons = [found["text"] for found in red.values() if found["when"] == "call"]
    assert any(re.search(fault.fails_with, text) for text in reasons), f"red for another reason: {red}"


def test_a_fault_that_has_lost_its_place_is_an_error_and_no_green_run() -> None:
    with pytest.raises(NoSuchPlace):
        Overlay({"app/ids.py": swap("what never stood there", "")})


def test_the_page_of_faults_names_each_with_its_suite() -> None:
    page = (ROOT / "docs" / "planted-faults.md").read_text(encoding="utf-8")
    rows = {
        row.split("|")[1].strip().strip("`"): row for row in page.splitlines() if re.match(r"\| `[a-z0-9-]+` \|", row)
    }
    assert rows.keys() == FAULTS.keys()
    for name, fault in FAULTS.items():
        assert fault.says in rows[name]
        for one in fault.suite:
            assert re.sub(r"\[.*", "", one.rpartition("::")[2]) in rows[name], (name, one)
