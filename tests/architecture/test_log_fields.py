"""No line of the log loses what it was written for: a field that is not on the list is dropped without a word."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.http.logs import ALLOWED_FIELDS
from tests.architecture.sources import python_files, relative

LEVELS = {"debug", "info", "warning", "error", "critical"}


def fields_of(path: Path) -> set[str]:
    """The names of all fields that the module's own logger is given."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "_log"
        ):
            found |= {one.arg for one in node.keywords if one.arg is not None}
    return found


LOGGING = [path for path in python_files("app") if fields_of(path)]


def test_there_are_lines_to_look_at() -> None:
    assert len(LOGGING) > 8


@pytest.mark.parametrize("path", LOGGING, ids=relative)
def test_every_field_of_a_line_is_on_the_list(path: Path) -> None:
    assert fields_of(path) <= ALLOWED_FIELDS
