"""Checking bags when the bank is gone: in separate processes that know a bag, a trust file and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.compliance import verifier
from app.demo.playing.holding import require

LONGEST_CHECK: Final = 60.0
INSTALLED: Final = Path(verifier.__file__)


@dataclass(frozen=True)
class Evidence:
    """What Paolo carries to another machine: two bags, what he trusts, and a folder for the checks."""

    room: Path
    log: Path
    trust: Path
    folder: Path

    def spread(self, bag: Path, name: str) -> Path:
        """The bag as a folder of its own, to look at or to tamper with."""
        place = self.folder / name
        with zipfile.ZipFile(bag) as packed:
            packed.extractall(place)
        return next(place.iterdir())


@dataclass(frozen=True)
class Verdict:
    """How a check in a separate process ended."""

    status: int
    report: dict[str, Any]

    def require_failure(self, what: str, index: int | None) -> None:
        """Raise `DidNotHold` unless the check found the bag bad, at this leaf."""
        require(self.status == 1 and not self.report["ok"], f"{what}: the check ended with {self.status}")
        named = self.report["first_bad_index"]
        require(index is None or named == index, f"{what}: the check names leaf {named}, not {index}")


async def check(program: Path, bag: Path, trust: Path, folder: Path, *more: str) -> Verdict:
    """Run one verifier in isolated mode, with an empty environment, in `folder`: no import path, no settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(program), str(bag), "--trust", str(trust), "--json", *more,
        cwd=folder, env={}, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LONGEST_CHECK):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    require(process.returncode is not None and out, f"the verifier said nothing and ended with {process.returncode}")
    return Verdict(process.returncode or 0, json.loads(out))


async def genuine(evidence: Evidence) -> None:
    """Both bags hold, by the program in the bag and by the installed one, which are the same file."""
    for bag in (evidence.room, evidence.log):
        inside = evidence.spread(bag, f"{bag.stem}-as-exported") / "verify.py"
        require(_digest(inside) == _digest(INSTALLED), "the bag brings another verifier")
        for program in (inside, INSTALLED):
            verdict = await check(program, bag, evidence.trust, evidence.folder)
            problems = "; ".join(verdict.report["problems"][:2])
            require(
                verdict.status == 0 and verdict.report["ok"], f"the bag of the {bag.stem} does not hold: {problems}"
            )


async def changed_byte(evidence: Evidence) -> None:
    """One byte of one leaf changed, manifests made to fit again: that leaf is named."""
    index = _size(evidence.log) // 2

    def change(lines: list[bytes]) -> None:
        lines[index] = lines[index].replace(b'"v":1', b'"v":2')

    await _tampered(evidence, "changed", change, index)


async def dropped_leaf(evidence: Evidence) -> None:
    """One leaf dropped without a trace: its place is named."""
    index = _size(evidence.log) // 3
    await _tampered(evidence, "dropped", lambda lines: lines.pop(index), index)


async def swapped_leaves(evidence: Evidence) -> None:
    """Two leaves in each other's place: the first of them is named."""
    index = _size(evidence.log) // 4

    def swap(lines: list[bytes]) -> None:
        lines[index], lines[index + 1] = lines[index + 1], lines[index]

    await _tampered(evidence, "swapped", swap, index)


async def cut_tail(evidence: Evidence) -> None:
    """A genuine older bag passed off as the whole: it ends before the newest checkpoint that the holder has seen."""
    newer = evidence.folder / "newer-trust.json"
    newer.write_bytes(evidence.trust.read_bytes())
    program = INSTALLED
    learned = await check(program, evidence.log, newer, evidence.folder, "--update-trust")
    require(learned.status == 0, "the newer bag does not hold")
    older = await check(program, evidence.room, newer, evidence.folder)
    older.require_failure("a cut tail", _size(evidence.room))


async def _tampered(evidence: Evidence, name: str, change: Callable[[list[bytes]], object], index: int) -> None:
    bag = evidence.spread(evidence.log, name)
    leaves = bag / "data/leaves.jsonl"
    lines = leaves.read_bytes().splitlines()
    change(lines)
    leaves.write_bytes(b"".join(line + b"\n" for line in lines))
    _describe_again(bag)
    verdict = await check(INSTALLED, bag, evidence.trust, evidence.folder)
    verdict.require_failure(f"a {name} leaf", index)


def _describe_again(bag: Path) -> None:
    """What a careful forger does: manifests and counts fit the changed files; only the keys he lacks."""
    payload = sorted(path for path in (bag / "data").iterdir())
    octets = sum(path.stat().st_size for path in payload)
    info = (bag / "bag-info.txt").read_text().splitlines()
    kept = [line if not line.startswith("Payload-Oxum") else f"Payload-Oxum: {octets}.{len(payload)}" for line in info]
    (bag / "bag-info.txt").write_text("".join(f"{line}\n" for line in kept))
    _write_manifest(bag, "manifest-sha256.txt", [f"data/{path.name}" for path in payload])
    _write_manifest(bag, verifier.TAGMANIFEST, sorted(verifier.TAGS))


def _write_manifest(bag: Path, manifest: str, names: list[str]) -> None:
    (bag / manifest).write_text("".join(f"{_digest(bag / name)}  {name}\n" for name in names))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _size(bag: Path) -> int:
    """The number of leaves that the bag's checkpoint says (C2SP: its second line)."""
    with zipfile.ZipFile(bag) as packed:
        name = next(one for one in packed.namelist() if one.endswith("/data/checkpoint"))
        return int(packed.read(name).decode().splitlines()[1])
