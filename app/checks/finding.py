"""One line of the doctor's table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Colour(StrEnum):
    """Red must be mended before going live, yellow is the bank's to decide."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, and for red and yellow what to do."""

    part: str
    colour: Colour
    text: str


Findings = Iterator[Finding]


def judged(part: str, holds: bool, good: str, bad: str, *, otherwise: Colour = Colour.RED) -> Finding:
    """Green with the one text, or `otherwise` with the other."""
    return Finding(part, Colour.GREEN if holds else otherwise, good if holds else bad)
