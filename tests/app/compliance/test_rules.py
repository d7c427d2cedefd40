"""What counts as a reason and as a scope, and what a leaf can name."""

from __future__ import annotations

from uuid import uuid4

import pytest

from app.compliance import rules
from app.compliance.errors import ReasonNeeded, ScopeUnclear
from app.compliance.rules import Head, Scope


@pytest.mark.parametrize("reason", ["cinque", "x" * 500, "  vigilanza:\n richiesta\t17/2026 ", "perché è così"])
def test_a_reason_becomes_one_line(reason: str) -> None:
    assert rules.checked_reason(reason) == " ".join(reason.split())


@pytest.mark.parametrize(
    "reason", ["", "brev", "   \n   \t  ", "x" * 501, "nullo \x00 dentro", "surrogato \ud800", "destra \u202e sinistra"]
)
def test_a_reason_that_cannot_be_read_is_none(reason: str) -> None:
    with pytest.raises(ReasonNeeded):
        rules.checked_reason(reason)


def test_a_rooms_export_names_its_room_and_the_logs_none() -> None:
    assert rules.checked_scope("log", None) == Scope.LOG
    assert rules.checked_scope("room", uuid4()) == Scope.ROOM
    for scope, room in (("log", uuid4()), ("room", None), ("case", None), ("", None)):
        with pytest.raises(ScopeUnclear):
            rules.checked_scope(scope, room)


def test_a_rooms_heads_are_all_named_and_a_long_logs_only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_STREAMS", 2)
    heads: list[Head] = [("case:a", 1, "00"), ("log", 2, "01"), ("room:b", 3, "02")]
    assert rules.nameable(Scope.ROOM, heads) == heads
    assert rules.nameable(Scope.LOG, heads) == [("log", 2, "01")]
    assert rules.nameable(Scope.LOG, heads[:2]) == heads[:2]


def test_the_heads_that_a_leaf_may_name_fit_what_a_verifier_reads_in_one_piece() -> None:
    longest = len('["room:01a1ff7a-cb80-78bb-847d-346a9459d33c:access",9999999999,""],') + 64
    assert rules.MOST_STREAMS * longest < 1 << 20
