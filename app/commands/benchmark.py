"""`riserbo bench`: one run of all measurements on this machine, printed as ratios, kept as JSON or Markdown."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.bench import report
from app.bench.plan import PARTS, QUICK, STORES, Plan, Tools
from app.bench.running import found_pgbench, run
from app.commands import operating, serving
from app.commands.wrong_use import WrongUse


@dataclass(frozen=True)
class Wish:
    """What the command line asks for; `parts` and `stores` empty for all."""

    quick: bool
    parts: list[str]
    stores: list[str]
    postgres: str
    pgbench: str
    json_file: Path | None
    markdown_file: Path | None


COMMAND: Final = "riserbo bench"


def bench(wish: Wish) -> str:
    """Measure, write the files that were asked for, and give the text for the terminal."""
    plan = _plan(wish)
    tools = Tools(wish.postgres, found_pgbench(wish.pgbench), _serve if plan.quick else None)
    if "postgres" in plan.stores and not tools.postgres:
        _say("no PostgreSQL was named (--postgres URL): SQLite alone is measured")
    elif "postgres" in plan.stores and not tools.pgbench:
        raise WrongUse("there is no pgbench on the PATH; name one with --pgbench")
    record = report.record_of(run(plan, tools, _say), _command(wish))
    if wish.json_file is not None:
        wish.json_file.write_text(report.as_json(record), "utf-8")
    if wish.markdown_file is not None:
        wish.markdown_file.write_text(report.as_markdown(record), "utf-8")
    return report.as_text(record)


def _serve(folder: Path, role: str) -> None:
    serving.run(operating.settings_of(folder), serving.Part(role))


def _plan(wish: Wish) -> Plan:
    plan = QUICK if wish.quick else Plan()
    for given, known in ((wish.parts, PARTS), (wish.stores, STORES)):
        strange = sorted(set(given) - set(known))
        if strange:
            raise WrongUse(f"there is no {strange[0]}: {', '.join(known)}")
    parts = tuple(part for part in PARTS if part in wish.parts) or plan.parts
    return replace(plan, parts=parts, stores=tuple(one for one in STORES if one in wish.stores) or plan.stores)


def _command(wish: Wish) -> str:
    """As it was called, without addresses, which belong to this machine."""
    words = [COMMAND, *(["--quick"] if wish.quick else []), *(["--postgres URL"] if wish.postgres else [])]
    words += [f"--part {part}" for part in wish.parts] + [f"--store {store}" for store in wish.stores]
    return " ".join(words)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (progress of a run of minutes)
