"""The written corpora: one JSON object a line with `text`, `kinds` (what must be found) and, where needed, a context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from security.leaks import Allowed, Fact, Leak, scan

HERE = Path(__file__).parent
Row = dict[str, Any]


def rows(verdict: str) -> list[Row]:
    """All rows of the files `corpus_*VERDICT.jsonl`."""
    found = [path.read_text("utf-8").splitlines() for path in sorted(HERE.glob(f"corpus_*{verdict}.jsonl"))]
    return [json.loads(line) for lines in found for line in lines]


def read(row: Row) -> tuple[Leak, ...]:
    """Scan a row's text in its own context."""
    return scan(
        row["text"],
        facts=tuple(Fact(kind, value) for kind, value in row.get("facts", [])),
        allowed=Allowed(row.get("allowed", [])),
        hosts=frozenset(row["hosts"]) if "hosts" in row else None,
    )


def verdict_of(leaks: tuple[Leak, ...]) -> str:
    """block, warn or allow."""
    severities = {leak.severity for leak in leaks}
    return "block" if "block" in severities else "warn" if severities else "allow"
