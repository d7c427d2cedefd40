"""Budgets: so many at once, refilled evenly, each key by itself, and never more memory than allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.http.budgets import Budgets


def test_a_burst_passes_and_then_as_much_as_is_refilled() -> None:
    budgets = Budgets[str](2, 10)
    assert [budgets.wait("a", 100) for _ in range(10)] == [0] * 10
    assert budgets.wait("a", 100) == 0.5
    assert budgets.wait("b", 100) == 0
    assert budgets.wait("a", 100.5) == 0
    assert budgets.wait("a", 100.5) > 0
    assert budgets.wait("a", 1_000) == 0


def test_asking_in_vain_uses_nothing_up() -> None:
    budgets = Budgets[str](1, 1)
    assert budgets.wait("a", 0) == 0
    assert [budgets.wait("a", 0.5) for _ in range(100)] == [0.5] * 100
    assert budgets.wait("a", 1) == 0


def test_patience_is_counted_as_used() -> None:
    budgets = Budgets[str](1, 1)
    assert [budgets.wait("a", 0, patience=2) for _ in range(4)] == [0, 1, 2, 3]
    assert budgets.wait("a", 0, patience=2) == 3


def test_what_is_left_goes_from_full_to_nothing_and_back() -> None:
    budgets = Budgets[str](1, 4)
    seen = [budgets.left("a", 0)]
    for _ in range(4):
        budgets.wait("a", 0)
        seen.append(budgets.left("a", 0))
    assert seen == [1, 0.75, 0.5, 0.25, 0]
    assert budgets.left("a", 4) == 1


@given(st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_the_burst_and_the_refill(gaps: list[float]) -> None:
    budgets, now, passed = Budgets[str](3, 5), 0.0, 0
    for gap in gaps:
        now += gap
        passed += budgets.wait("a", now) == 0
    assert passed <= 5 + 3 * now + 1e-6


def test_the_memory_is_bounded_and_forgets_the_longest_unseen() -> None:
    budgets = Budgets[int](1, 1, keys=100)
    for key in range(1000):
        assert budgets.wait(key, 0) == 0
    assert len(budgets) == 100
    assert budgets.wait(999, 0) > 0
    assert budgets.wait(0, 0) == 0
