"""The pytest plugin of a child run: plants one fault before anything of ours is imported, and tells what came of it.

`python -m pytest -p tests.planted.plugin --planted NAME --planted-report FILE …`
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.planted.faults import FAULTS
from tests.planted.overlay import Overlay
from tests.support import postgres

_planted: Final[list[Overlay]] = []
_seen: Final[dict[str, dict[str, str]]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("planted faults")
    group.addoption("--planted", choices=sorted(FAULTS), help="plant this fault")
    group.addoption("--server-of", type=Path, help="the folder of a running PostgreSQL to use")
    group.addoption("--planted-report", type=Path, help="write what became of each test there, as JSON")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest imports the application."""
    name = early_config.known_args_namespace.planted
    folder = early_config.known_args_namespace.server_of
    if folder is not None:

        @contextlib.contextmanager
        def already_running(settings: Sequence[str] = ()) -> Iterator[postgres.PostgresServer]:
            yield postgres.PostgresServer(folder)

        postgres.running_postgres = already_running
    if name is not None:
        overlay = Overlay(FAULTS[name].plant)
        overlay.install()
        if FAULTS[name].in_children:
            os.environ["PLANTED_FAULT"] = name
            os.environ["PYTHONPATH"] = str(Path(__file__).with_name("children"))
        _planted.append(overlay)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test is what its worst phase was."""
    before = _seen.get(report.nodeid, {"outcome": "passed"})
    if before["outcome"] == "passed":
        _seen[report.nodeid] = {"outcome": report.outcome, "when": str(report.when), "text": report.longreprtext}


def pytest_sessionfinish(session: pytest.Session) -> None:
    place: Path | None = session.config.getoption("planted_report")
    if place is not None:
        met = sorted(name for overlay in _planted for name in overlay.met)
        told: dict[str, Any] = {"met": met, "tests": _seen}
        place.write_text(json.dumps(told), encoding="utf-8")
