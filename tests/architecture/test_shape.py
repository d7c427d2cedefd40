"""How big things may grow, what they may be called, and what no file may hold."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, Function, files, functions, python_files, relative

LINES_OF_A_FUNCTION = 60
LINES_OF_A_FILE = 400
VAGUE = {"util", "utils", "core", "helper", "helpers", "manager", "managers", "common", "misc"}
# spelt so that this file does not hold them itself
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME"]) + r")\b")
TEXTS = {"", ".py", ".md", ".toml", ".sh", ".html", ".css", ".js", ".po", ".ini", ".json", ".lock", ".txt"}
# copied into every bag as one file of the standard library, so that an auditor can read it whole
ONE_FILE_ON_PURPOSE = {"app/compliance/verifier.py"}


def _texts() -> list[tuple[Path, str]]:
    return [(path, path.read_text(encoding="utf-8")) for path in files() if path.suffix in TEXTS]


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{relative(path)}:{node.lineno} {node.name}: {length} lines"
        for path in python_files(*PACKAGES)
        for node in functions(path)
        if (length := _lines(node)) > LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_the_usual_function_is_short() -> None:
    lengths = [_lines(node) for path in python_files("app", "security") for node in functions(path)]
    assert statistics.median(lengths) <= 10


def test_no_file_is_longer_than_one_sitting() -> None:
    counted = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PACKAGES)}
    assert {name for name, lines in counted.items() if lines > LINES_OF_A_FILE} == ONE_FILE_ON_PURPOSE


def test_nothing_has_a_name_that_says_nothing() -> None:
    vague = [
        relative(path)
        for path in python_files(*PACKAGES, "tests")
        if VAGUE & set(re.split(r"[/_]", relative(path).removesuffix(".py")))
    ]
    classes = [
        f"{relative(path)}: {name}"
        for path in python_files(*PACKAGES)
        for name in re.findall(
            r"^class (\w*(?:Manager|Helper|Utils?))\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert vague + classes == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        relative(path)
        for path in python_files("app", "security")
        if path.stat().st_size and not path.read_text(encoding="utf-8").lstrip().startswith(('"""', "#!"))
    ]
    assert silent == []


def test_nothing_is_left_unfinished() -> None:
    assert [relative(path) for path, text in _texts() if UNFINISHED.search(text)] == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    homes = re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+)/")
    here = str(ROOT)
    assert [relative(path) for path, text in _texts() if homes.search(text) or here in text] == []


def test_the_top_level_is_what_the_design_names() -> None:
    allowed = {
        "app", "migrations", "security", "tests", "docs", "alembic.ini", "pyproject.toml", "README.md",
        "LICENSE", "Makefile", "requirements.lock", ".ci", ".gitignore",
    }  # fmt: skip
    assert {relative(path).split("/")[0] for path in files()} <= allowed


@pytest.mark.parametrize("package", ["security", "app"])
def test_no_test_double_lives_in_the_product(package: str) -> None:
    suspicious = re.compile(r"unittest\.mock|import pytest|from tests")
    assert [
        relative(path) for path in python_files(package) if suspicious.search(path.read_text(encoding="utf-8"))
    ] == []
