"""The table of the ASVS is whole, and says nothing that it does not show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pytest

from tests.architecture.sources import ROOT
from tests.architecture.test_named_places import PLACE

# Sections of ASVS 5.0.0, and the level of each of their requirements in order.
LEVELS: Final = {
    "6.1": "122", "6.2": "111111112222", "6.3": "11223333", "6.4": "112233", "6.5": "22222333", "6.6": "2223", "6.7": "33",
    "6.8": "2222", "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22", "9.1": "111",
    "9.2": "1222", "10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333", "10.5": "22222", "10.6": "22",
    "10.7": "222",
}  # fmt: skip
ANSWERS: Final = ("yes", "yes, set", "partly", "no", "–")


@dataclass(frozen=True)
class Row:
    """One requirement, as the page has it."""

    number: str
    level: str
    asked: str
    answer: str
    how: str
    shown: str


def page() -> str:
    return (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8")


def rows() -> list[Row]:
    cells = (
        re.split(r" ?\| ?", line.strip("| ")) for line in page().splitlines() if re.match(r"\| \d+\.\d+\.\d+ \|", line)
    )
    return [Row(*(one.strip() for one in (*found, "")[:6])) for found in cells]


def test_every_requirement_has_its_row_in_order_with_its_level() -> None:
    wanted = [
        (f"{section}.{number}", level)
        for section, levels in LEVELS.items()
        for number, level in enumerate(levels, start=1)
    ]
    assert len(wanted) == 109
    assert [(row.number, row.level) for row in rows()] == wanted


@pytest.mark.parametrize("number", [f"{one}.{n}" for one, levels in LEVELS.items() for n in range(1, len(levels) + 1)])
def test_an_answer_is_shown_by_a_test_or_says_why_not(number: str) -> None:
    row = next(row for row in rows() if row.number == number)
    assert row.answer in ANSWERS
    assert row.asked
    assert row.how
    tests = [name for _, name in PLACE.findall(row.shown) if name.startswith("test_")]
    assert bool(tests) == (row.answer in ("yes", "yes, set", "partly"))


def test_the_counts_at_the_top_are_those_of_the_rows() -> None:
    counted = re.findall(r"^\| Level (\d) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page(), re.MULTILINE)
    found = {level: tuple(map(int, numbers)) for level, *numbers in counted}
    assert found == {
        level: tuple(sum((row.level, row.answer) == (level, answer) for row in rows()) for answer in ANSWERS)
        for level in "123"
    }
