"""Tests that must not run beside each other share a worker; a run in which they would not is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sharing import COSTLY, MACHINE, SHARED, astray, group_of

ROOT = Path(__file__).parent.parent


def test_what_loads_the_machine_runs_one_after_the_other() -> None:
    for path in ("tests/hostile/test_floods.py", "tests/crashes/test_killed_app.py", "tests/faults/test_clock.py"):
        assert group_of(f"{path}::test_anything[with a / in it]") == MACHINE


def test_other_tests_go_where_there_is_room() -> None:
    assert group_of("tests/app/test_ids.py::test_a") == "tests/app/test_ids.py::test_a"
    assert group_of("tests/attacks/test_insiders.py::test_a[1]") == "tests/attacks/test_insiders.py"


def test_every_shared_path_exists() -> None:
    assert [path for path in SHARED if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("fixture", "group"), COSTLY.items())
def test_a_new_file_that_builds_something_costly_is_named(fixture: str, group: str) -> None:
    assert astray("tests/app/test_new.py::test_a", ["tmp_path", fixture]) == group


ASKS_WHERE = """
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(8))
def test_where(number):
    (pathlib.Path(__file__).parent / f"{number}.{os.environ['PYTEST_XDIST_WORKER']}").touch()
"""


def test_xdist_hands_a_group_to_one_worker_and_the_rest_to_all(tmp_path: Path) -> None:
    """Its own marks for this ceased to work once, and nothing said so."""
    for folder in ("tests/faults", "tests/app"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_where.py").write_text(ASKS_WHERE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    program = [sys.executable, "-m", "pytest", "-n2", "--dist=loadscope", "-p", "tests.support.sharing", "-p"]
    command = [*program, "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    workers = {
        folder: {path.suffix for path in (tmp_path / folder).glob("*.gw*")} for folder in ("tests/faults", "tests/app")
    }
    assert len(workers["tests/faults"]) == 1
    assert len(workers["tests/app"] | workers["tests/faults"]) == 2
