"""What the documents say of the code is there: every file, every name in it, every test, for every attack."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.sources import ROOT, files, relative

ATTACKS: Final = 22
"""Twenty-one of the design, and the attacker with a case of his own."""

PLACE: Final = re.compile(r"`((?:app|security|migrations|tests|docs)/[\w./-]+)(?:::([\w.]+))?`")
SHORT_PLACE: Final = re.compile(r"`((?:[a-z_]+/)?[\w]+\.py)`")
"""How the older tables name a file: from `app/` on, or from the root."""


def _bound(body: list[ast.stmt], within: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield within + node.name
        elif isinstance(node, ast.ClassDef):
            yield within + node.name
            yield from _bound(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield within + node.target.id
        elif isinstance(node, ast.Assign):
            yield from (within + target.id for target in node.targets if isinstance(target, ast.Name))


@cache
def _names(path: Path) -> frozenset[str]:
    return frozenset(_bound(ast.parse(path.read_text(encoding="utf-8")).body))


def _missing(text: str) -> list[str]:
    """The places in a text that are not there."""
    wrong = []
    for name, inside in PLACE.findall(text):
        path = ROOT / name
        if not path.exists() or (inside and inside not in _names(path)):
            wrong.append(f"{name}::{inside}" if inside else name)
    return wrong


def _attacks() -> dict[int, str]:
    text = (ROOT / "docs" / "proof-attacks.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (\d+)\. ", text, flags=re.MULTILINE)
    return {int(number): body for number, body in zip(parts[1::2], parts[2::2], strict=True)}


PAGES: Final = [relative(path) for path in files() if path.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_place_that_a_page_names_is_there(page: str) -> None:
    assert _missing((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_place_that_is_gone_is_noticed() -> None:
    text = "`app/actors.py::Nobody`, `app/nowhere.py`, `app/actors.py::Staff`, `app/actors.py`, `tests/none.py::test_x`"
    assert _missing(text) == ["app/actors.py::Nobody", "app/nowhere.py", "tests/none.py::test_x"]


def test_every_file_of_the_threat_models_tables_is_there() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = {place for row in text.splitlines() if re.match(r"\| T\d+", row) for place in SHORT_PLACE.findall(row)}
    assert len(named) > 50
    assert sorted(name for name in named if not any((ROOT / top / name).exists() for top in ("app", ""))) == []


def test_every_attack_of_the_list_is_answered() -> None:
    assert list(_attacks()) == list(range(1, ATTACKS + 1))


@pytest.mark.parametrize("number", range(1, ATTACKS + 1))
def test_every_counter_measure_has_its_place_and_its_test(number: int) -> None:
    body = _attacks()[number]
    bullets = [
        bullet for bullet in re.split(r"^- ", body, flags=re.MULTILINE)[1:] if not bullet.startswith("*Not done")
    ]
    assert bullets
    for bullet in bullets:
        places = PLACE.findall(bullet)
        tests = [(path, name) for path, name in places if name.rpartition(".")[2].startswith("test_")]
        assert tests, bullet
        assert len(places) > len(tests), bullet


def test_every_threat_that_an_attack_is_filed_under_is_in_the_model() -> None:
    rows = re.findall(
        r"^\| (T\d+[a-z]?) ", (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    heads = (ROOT / "docs" / "proof-attacks.md").read_text(encoding="utf-8")
    filed = [
        one
        for head in re.findall(r"^### \d+\. .*\((T.*)\)$", heads, re.MULTILINE)
        for one in re.findall(r"T\d+[a-z]?", head)
    ]
    assert len(filed) >= ATTACKS
    assert sorted(set(filed) - set(rows)) == []
