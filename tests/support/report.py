"""What did not run, and why: named at the end of every run, and refused by CI."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest

STATED: Final = ("skipped", "xfailed")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "") or report.longreprtext).strip()


def fail_a_skip_under_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI set a test that does not run is a failure: a green run must mean that everything ran."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = _reason(report)
        report.outcome = "failed"
        report.longrepr = f"skipped, and with CI set a skip is a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_a_skip_under_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_a_skip_under_ci(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each test that did not run to its end as it should."""
    lines = [
        f"{outcome}: {getattr(entry, 'nodeid', entry)}" + (f" ({_reason(entry)})" if hasattr(entry, "longrepr") else "")
        for outcome in STATED
        for entry in terminalreporter.stats.get(outcome, [])
    ]
    if lines:
        terminalreporter.section("tests that did not run")
        for line in lines:
            terminalreporter.write_line(line)
