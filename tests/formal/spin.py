"""Running the model of docs/formal: each row of its table is a configuration, compiled once and asked for each property."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
MODEL: Final = ROOT / "docs" / "formal" / "binding.pml"
TABLE: Final = ROOT / "docs" / "formal" / "README.md"
UNPACKED: Final = ROOT / ".cache" / "spin" / "root" / "usr" / "bin" / "spin"
PROPERTIES: Final = ("secret", "own", "right", "mine")
VERDICTS: Final[Mapping[str, bool]] = {"holds": True, "**breaks**": False}
DEEPEST: Final = 1_000_000
LONGEST: Final = 120.0
COUNTED_BY: Final = "Spin Version 6.5.2"


@dataclass(frozen=True)
class Configuration:
    """One row: the switches that differ from the recommended ones, which properties hold with them, of how many states."""

    says: str
    switches: tuple[str, ...]
    holds: Mapping[str, bool]
    states: int


@dataclass(frozen=True)
class Verdict:
    """Whether a property holds, and how many states that was asked of."""

    holds: bool
    states: int


def configurations() -> list[Configuration]:
    """The rows of the page's table."""
    rows = [
        line.strip().strip("|").split("|") for line in TABLE.read_text("utf-8").splitlines() if line.count("|") == 8
    ]
    found = []
    for says, switches, *verdicts, states in ([cell.strip() for cell in row] for row in rows):
        if set(verdicts) <= set(VERDICTS):
            named = tuple(re.findall(r"[A-Z_]+=[01]", switches))
            holds = {name: VERDICTS[word] for name, word in zip(PROPERTIES, verdicts, strict=True)}
            found.append(Configuration(says, named, holds, int(states.replace(",", ""))))
    return found


def spin_or_skip() -> str:
    """The program; where there is none the test says why it did not run, and fails in the build (`CI` set)."""
    named = os.environ.get("SPIN") or shutil.which("spin") or (str(UNPACKED) if UNPACKED.exists() else None)
    if named is None:
        reason = "spin is not on this machine and could not be unpacked (tests/tools/spin.sh says why)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return named


def counts_as_the_page_does(spin: str) -> bool:
    """Whether this Spin is the one whose states the page counts; another one may divide the acts differently."""
    return COUNTED_BY in subprocess.run([spin, "-V"], capture_output=True, text=True, check=False, timeout=10).stdout


def _compiler() -> str:
    chosen = ROOT / ".cache" / "compiler"
    return chosen.read_text().strip() if chosen.exists() else "cc"


def compiled(spin: str, switches: tuple[str, ...], folder: Path) -> Path:
    """The verifier of one configuration, in a folder of its own."""
    compiler = _compiler()
    _run([spin, f"-P{compiler} -E -x c", *(f"-D{one}" for one in switches), "-a", str(MODEL)], folder)
    _run([*shlex.split(compiler), "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"], folder)
    return folder / "pan"


def verdict(verifier: Path, name: str) -> Verdict:
    """Ask for one property over every state; raises AssertionError where the search was not a whole one."""
    said = _run([str(verifier), f"-m{DEEPEST}", "-N", name], verifier.parent)
    assert f"ltl {name}" in said or f"ltl formula {name}" in said, said
    for short in ("max search depth too small", "out of memory", "search was not completed"):
        assert short not in said.lower(), said
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"([\d.e+]+) states, stored", said)
    assert errors is not None, said
    assert states is not None, said
    return Verdict(errors.group(1) == "0", int(float(states.group(1))))


def _run(command: list[str], folder: Path) -> str:
    kept = str(ROOT / ".cache" / "zig-cache")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": kept, "ZIG_LOCAL_CACHE_DIR": kept}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
