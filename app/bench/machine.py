"""What the operating system says about processes and this machine: processor seconds, cores, memory, load of others."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of its living children and of those that it has waited for."""
    return sum(cpu_of_trees([pid]).values())


def cpu_of_trees(pids: list[int]) -> dict[int, float]:
    """The same for several processes, with one look at all processes; 0.0 for one that is not there."""
    times: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        fields = _stat(int(folder.name))
        if fields is None:
            continue
        pid = int(folder.name)
        # utime, stime, cutime and cstime are fields 14 to 17 of proc(5); two fields stand before the ones split here
        times[pid] = sum(map(int, fields[11:15])) / TICKS
        children.setdefault(int(fields[1]), []).append(pid)
    return {pid: _sum(pid, times, children) for pid in pids}


def parent_of(pid: int) -> int | None:
    """The parent's id, None when there is no such process here."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def name_of(pid: int) -> str:
    """The program's name as the kernel has it, empty when there is no such process here."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def busy_seconds() -> float:
    """Processor time that the whole machine has spent on anything but idling, since it started."""
    user, nice, system, _idle, _wait, irq, soft, steal, *_ = map(
        int, (_PROC / "stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + soft + steal) / TICKS


def resident_kib(pid: int) -> int:
    """Resident memory of one process in KiB."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def describe() -> dict[str, Any]:
    """This machine, for the record; nothing that names it."""
    models = {
        line.partition(":")[2].strip()
        for line in (_PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    memory = next(
        int(line.split()[1]) for line in (_PROC / "meminfo").read_text().splitlines() if line.startswith("MemTotal:")
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "memory_mib": memory // 1024,
        "system": f"{platform.system()} {platform.release()}",
    }


def _stat(pid: int) -> list[str] | None:
    try:
        # the name in parentheses may hold blanks
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _sum(pid: int, times: dict[int, float], children: dict[int, list[int]]) -> float:
    return times.get(pid, 0.0) + sum(_sum(child, times, children) for child in children.get(pid, []))
