"""What is installed is what was decided: fresh locks that agree, name no index, hold nothing known to be broken."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from tests.architecture.sources import ROOT

sys.path.insert(0, str(ROOT / "tests" / "tools"))
import locks

ALL = [locks.RUNTIME, locks.TEST, locks.UV]
# The first release without a published weakness that would reach us. No scanner can be asked offline, and a scanner
# that cannot reach its source says "nothing found".
AT_LEAST = {
    "authlib": "1.9.9",  # alg none, keys from headers, open redirects (CVE-2026-27962, -28802, -44681)
    "joserfc": "1.6.8",  # PBES2 iteration count (CVE-2026-27932)
    "starlette": "0.49.1",  # quadratic Range header (CVE-2025-62727)
    "python-multipart": "0.0.22",  # writing outside the folder (CVE-2026-24486)
    "h11": "0.16.0",  # lenient chunk endings: request smuggling (CVE-2025-43859)
    "jinja2": "3.1.6",  # sandbox escapes (CVE-2025-27516)
    "cryptography": "46.0.5",  # binary curves without subgroup check (CVE-2026-26007)
    "idna": "3.7",  # quadratic encode (CVE-2024-3651)
    "mako": "1.2.2",  # quadratic parsing (CVE-2022-40023)
    "certifi": "2024.7.4",  # distrusted roots (CVE-2024-39689)
    "anyio": "4.4.0",  # race in the event loop's start
    "uvicorn": "0.11.7",  # header and log injection (CVE-2020-7694, -7695)
    "pydantic": "2.4.0",  # quadratic e-mail pattern (CVE-2024-3772)
    "pygments": "2.15.1",  # quadratic lexers (CVE-2022-40896)
    "markdown-it-py": "2.2.0",  # crash on bad input (CVE-2023-26302, -26303)
    "urllib3": "2.6.3",  # decompression bombs, redirects (CVE-2025-66418, -66471, CVE-2026-21441)
    "requests": "2.32.4",  # .netrc credentials to another host (CVE-2024-47081)
    "werkzeug": "3.1.4",  # Windows device names (CVE-2025-66221)
}  # fmt: skip


def _versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", ALL, ids=lambda lock: lock.name)
def test_a_lock_belongs_to_pyproject_and_names_no_host(lock: Path) -> None:
    assert locks.complaint(lock) is None
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", ALL, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_and_hashed(lock: Path) -> None:
    requirements = [line for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line)]
    assert requirements
    assert [line for line in requirements if "==" not in line or not line.endswith("\\")] == []


def test_tests_run_on_the_versions_that_the_service_runs_on() -> None:
    runtime, test = _versions(locks.RUNTIME), _versions(locks.TEST)
    assert runtime.items() <= test.items()


def test_nothing_locked_is_older_than_its_last_known_weakness() -> None:
    locked = _versions(locks.TEST)
    old = {
        name: locked[name]
        for name, least in AT_LEAST.items()
        if name in locked and Version(locked[name]) < Version(least)
    }
    assert old == {}
    assert len(AT_LEAST.keys() & locked.keys()) > 10


def test_a_stale_or_missing_lock_says_how_to_renew_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nrequires-python = ">=3.11"\ndependencies = []\n[dependency-groups]\n'
    )
    lock = tmp_path / "requirements.lock"
    assert "make lock" in (locks.complaint(lock) or "")
    lock.write_text(locks.SIGN + locks.fingerprint() + "\n")
    assert locks.complaint(lock) is None
    lock.write_text(locks.SIGN + "0" * 64 + "\n")
    assert "make lock" in (locks.complaint(lock) or "")


def test_make_stops_with_that_sentence(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/tools/locks.py", "tests/tools/install.py"):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements.lock").write_text("# made from something else\n")
    done = subprocess.run(
        [sys.executable, "tests/tools/install.py", "requirements.lock"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "requirements.lock is older than the dependencies in pyproject.toml" in done.stderr
