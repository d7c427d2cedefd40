"""The machine looks closely enough: with any one check taken out of the real code it finds the promise that breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.breakings import BREAKINGS, Breaking
from tests.machine.ground import Plan, open_ground, plan_in
from tests.machine.machine import CALM, machine_on
from tests.machine.promises import Broken, Promise
from tests.machine.providers import LISTED_PUSH
from tests.support.soak import keep_figures

RUNS, STORIES, ACTS = 40, 5, 7
"""Many short runs: within one run hypothesis stays near what it has seen."""


def found(breaking: Breaking, plan: Plan, seen: Counter[str]) -> Broken | None:
    """What the machine finds first, always the same in the same code."""
    thorough = settings(CALM, max_examples=STORIES, stateful_step_count=ACTS, phases=[Phase.generate])
    for number in range(RUNS):
        machine = seed(number)(machine_on(plan, seen, breaking.powers, breaking.begins, breaking.breaks))
        try:
            run_state_machine_as_test(machine, settings=thorough)
        except Broken as broken:
            return broken
    return None


@pytest.mark.parametrize("name", BREAKINGS)
def test_the_machine_finds_the_breaking(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    breaking, seen = BREAKINGS[name], Counter[str]()
    plan = asyncio.run(plan_in(tmp_path_factory.mktemp("plan"), breaking.listed_push))
    with breaking.plant():
        broken = found(breaking, plan, seen)
    assert broken is not None, f"not found in {seen['stories']} stories"
    assert broken.promise == breaking.breaks
    keep_figures(f"breaking-{name}", stories=seen["stories"], promise=breaking.breaks.name, how=str(broken))


def test_every_promise_has_a_breaking() -> None:
    assert {one.breaks for one in BREAKINGS.values()} == set(Promise)


async def test_a_policy_that_lists_a_push_opens_no_bank(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = await plan_in(tmp_path_factory.mktemp("plan"), LISTED_PUSH)
    with pytest.raises(AssertionError, match="the identity provider push is approved by push on another device"):
        async with open_ground(plan, tmp_path):
            pass
