"""What a detector reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["warn", "block"]

WARN: Final = "warn"
BLOCK: Final = "block"


@dataclass(frozen=True, order=True)
class Leak:
    """Something that the text gives away at `original[start:end]`; `detail` names the rule, never the value."""

    start: int
    end: int
    kind: str
    severity: Severity
    detail: str = ""


Leaks = Iterator[Leak]
