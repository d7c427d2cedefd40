from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guard.cli_lines import check_lines
from app.guard.models import PublicContext
from app.guard.rules import MESSAGES, class_of


def verdicts(*lines: str) -> list[str]:
    return [json.loads(line)["verdict"] for line in check_lines(lines)]


def test_one_line_in_is_one_json_object_out() -> None:
    lines = ["Ciao Giulia\n", "\n", "IBAN IT60X0542811101000000123456\r\n", "Gentile cliente"]
    assert verdicts(*lines) == ["allow", "allow", "block", "warn"]
    for answer in check_lines(lines):
        assert "\n" not in answer
        assert list(json.loads(answer)) == ["verdict", "findings", "text_hash"]


def test_a_finding_has_the_documented_members() -> None:
    (answer,) = check_lines(["PIN 4821"])
    (finding,) = json.loads(answer)["findings"]
    assert finding == {
        "kind": "pin",
        "severity": "block",
        "start": 4,
        "end": 8,
        "excerpt_masked": "••••",
        "message": MESSAGES["pin"],
    }


def test_lines_are_answered_as_they_come() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "ciao\n"

    assert json.loads(next(check_lines(endless())))["verdict"] == "allow"


def test_a_given_context_is_used() -> None:
    context = PublicContext(allowed_hosts=frozenset({"bancaesempio.it"}))
    (answer,) = check_lines(["https://altro.example/"], context=context)
    assert json.loads(answer)["verdict"] == "block"


@pytest.mark.parametrize("line", ["a" * 1_000_000, "4111 " * 200_000, "\ud800" * 1_000_000, "\x00" * 1_000_000])
def test_a_megabyte_in_one_line_is_answered(line: str) -> None:
    assert verdicts(line) == ["block"]


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=300))
@settings(max_examples=300)
def test_no_text_breaks_the_filter(text: str) -> None:
    (answer,) = check_lines([text])
    assert answer.isascii()
    assert json.loads(answer)["verdict"] in {"allow", "warn", "block"}


@pytest.mark.parametrize(
    "line", ["\ud800PIN 1234\udfff", "\x00I\x00T60X0542811101000000123456", "\u2028\u2029\x85 PIN 1234"]
)
def test_broken_text_is_still_read(line: str) -> None:
    assert verdicts(line) == ["block"]


def test_every_kind_has_a_message_and_a_class() -> None:
    for kind in MESSAGES:
        assert class_of(kind)
