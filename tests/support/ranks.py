"""Whether two lots of times can be told apart by their ranks: the area under the curve, 0.5 where nobody can."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt


def area(first: Sequence[float], second: Sequence[float]) -> float:
    """The chance that one of `second` is longer than one of `first`, ties counted half (Mann-Whitney)."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = 0.0
    begin = 0
    while begin < len(ranked):
        end = begin
        while end < len(ranked) and ranked[end][0] == ranked[begin][0]:
            end += 1
        middle = (begin + 1 + end) / 2
        ranks += middle * sum(side for _, side in ranked[begin:end])
        begin = end
    pairs = len(first) * len(second)
    return (ranks - len(second) * (len(second) + 1) / 2) / pairs


def deviation(each: int) -> float:
    """How far from 0.5 the area lies by chance alone: its standard deviation with `each` equal ones on both sides."""
    return sqrt((2 * each + 1) / (12 * each * each))
