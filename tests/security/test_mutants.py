"""Every single check of the code that believes tokens, servers and answers from outside is needed: without it, some forgery
is not refused for its fault."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Final

import pytest

from tests.security.mutants import CHECKED, ROOT, source_of
from tests.security.mutations import mutations, names
from tests.security.no_difference import NO_DIFFERENCE


@pytest.fixture(scope="module")
def noticed() -> dict[str, list[str]]:
    """From each mutant of each module to the forgeries that noticed it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_unchanged_every_forgery_is_refused_in_the_fork_too(noticed: dict[str, list[str]]) -> None:
    assert noticed["nothing changed"] == []


@pytest.mark.parametrize("module", CHECKED)
def test_a_check_that_is_taken_out_is_missed(module: str, noticed: dict[str, list[str]]) -> None:
    mutants = [f"{module}:{name}" for name in names(source_of(module))]
    assert len(mutants) == len(set(mutants)) > 0
    unseen = [mutant.partition(": ")[2] for mutant in mutants if not noticed[mutant]]
    assert [f"{module}: {shown}" for shown in unseen if f"{module}: {shown}" not in NO_DIFFERENCE] == []


def test_what_makes_no_difference_is_still_there(noticed: dict[str, list[str]]) -> None:
    unseen = {f"{name.partition(':')[0]}: {name.partition(': ')[2]}" for name, seen in noticed.items() if not seen}
    assert sorted(set(NO_DIFFERENCE) - unseen) == []


IF_A: Final = "if a:\n    {}"
YES: Final = "def f() -> bool:\n    {}"


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        (
            "if a or b:\n    raise E",
            {"if a or b": "if False:\n    raise E", "if a or b, without a": "if b:\n    raise E", "if a or b, without b": "if a:\n    raise E"},
        ),
        ("if not (a and b):\n    raise E", {"if not (a and b)": "if False:\n    raise E", "if not (a and b), without a": "if not b:\n    raise E", "if not (a and b), without b": "if not a:\n    raise E"}),
        ("if not 0 < a <= 9:\n    raise E", {"if not 0 < a <= 9": "if False:\n    raise E", "if not 0 < a <= 9, without 0 < a": "if not a <= 9:\n    raise E", "if not 0 < a <= 9, without a <= 9": "if not 0 < a:\n    raise E"}),
        ("if a and b:\n    raise E", {"if a and b": "if False:\n    raise E"}),
        (IF_A.format("pass"), {}),
        (IF_A.format("x = b"), {}),
        (IF_A.format("a = b"), {"if a": "if False:\n    a = b"}),
        (IF_A.format("refuse(b)"), {"if a": "if False:\n    refuse(b)"}),
        ("if a and b:\n    x = c\nelse:\n    x = d", {"if a and b, without a": "if b:\n    x = c\nelse:\n    x = d", "if a and b, without b": "if a:\n    x = c\nelse:\n    x = d"}),
        ("for a in b:\n    if a:\n        continue", {"if a": "for a in b:\n    if False:\n        continue"}),
        ("def f() -> str:\n    if a:\n        return ''", {"if a": "def f() -> str:\n    if False:\n        return ''"}),
        ("def f() -> str:\n    if a:\n        return b", {"if a, always": "def f() -> str:\n    if True:\n        return b"}),
        ("def f() -> None:\n    if a:\n        return", {"if a, always": "def f() -> None:\n    if True:\n        return"}),
        ("def f() -> None:\n    pass\n    raise E", {"raise E, left out": "def f() -> None:\n    pass\n    pass"}),
        (YES.format("return a == b"), {"a == b, always": YES.format("return True")}),
        (YES.format("return a and b"), {"a and b, without a": YES.format("return b"), "a and b, without b": YES.format("return a")}),
        (YES.format("if a:\n        return False"), {"if a": YES.format("if False:\n        return False")}),
        (YES.format("if a:\n        return True"), {"if a, always": YES.format("if True:\n        return True")}),
        ("def is_withdrawn() -> bool:\n    return a == b", {"a == b, never": "def is_withdrawn() -> bool:\n    return False"}),
        ("check(a)", {"check(a), not called": "pass"}),
        ("record(a)", {}),
        ("x = check(a)", {}),
        ("x = a == b", {"a == b, always": "x = True"}),
        ("x = min(a, b)", {"min(a, b), without b": "x = min(a, a)"}),
        ("x = [y for y in z if a and b]", {"only a and b, without a and b": "x = [y for y in z if True]", "only a and b, without a": "x = [y for y in z if b]", "only a and b, without b": "x = [y for y in z if a]"}),
        ("x = y if a and b else None", {"a and b, always": "x = y if True else None", "a and b, without a": "x = y if b else None", "a and b, without b": "x = y if a else None"}),
        ("x = 1 if a else 2", {}),
        ("x = 'late' if a else None", {"a, never": "x = 'late' if False else None"}),
        ("def f() -> str:\n    if a:\n        return WORD", {"if a": "def f() -> str:\n    if False:\n        return WORD"}),
        ("x = Expected(required=('a', 'b'))", {"Expected without required": "x = Expected()", "Expected, required without 'a'": "x = Expected(required=('b',))", "Expected, required without 'b'": "x = Expected(required=('a',))"}),
        ("_PRIVATE: F = frozenset({'d', 'k'})", {"_PRIVATE without 'd'": "_PRIVATE: F = frozenset({'k'})", "_PRIVATE without 'k'": "_PRIVATE: F = frozenset({'d'})"}),
        ("_LISTED: F = {'d': 1, 'k': 2}", {"_LISTED without 'd'": "_LISTED: F = {'k': 2}", "_LISTED without 'k'": "_LISTED: F = {'d': 1}"}),
        ("x = select(t).where(a, b)", {"where without a": "x = select(t).where(b)", "where without b": "x = select(t).where(a)"}),
        ("conditions: list = [a]\nconditions.append(b)", {"conditions without a": "conditions: list = []\nconditions.append(b)", "conditions.append(b), not called": "conditions: list = [a]\npass"}),
        ("x = Builder().time(now).build()", {"time(now), left out": "x = Builder().build()"}),
    ],
)  # fmt: skip
def test_a_mutant_lacks_exactly_its_check(source: str, mutants: dict[str, str]) -> None:
    made = {name.partition(": ")[2]: ast.unparse(tree) for name, tree in mutations(source)}
    assert made == mutants
