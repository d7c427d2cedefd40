"""The real binding machine under people who may do anything, and the proof that it is looked at closely enough."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.breakings import BREAKINGS
from tests.machine.machine import machine_on
from tests.machine.promises import Broken
from tests.support.house import Blueprint, blueprint
from tests.support.soak import chance, in_every_run_or_soak, keep_figures

STORIES = in_every_run_or_soak(25, 3000)
ACTS = in_every_run_or_soak(25, 40)
MOST_STORIES_TO_FIND = 150

CALM = settings(
    database=None, deadline=None, report_multiple_bugs=False, print_blob=False, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Blueprint:
    """A prepared bank, copied for each story."""
    return asyncio.run(blueprint("sqlite", tmp_path_factory.mktemp("blueprint"), None))


def test_no_promise_breaks_whatever_victim_attacker_bank_and_time_do(plan: Blueprint) -> None:
    number, _ = chance("binding machine")
    seen: Counter[str] = Counter()
    machine = seed(number)(machine_on(plan, seen))
    run_state_machine_as_test(machine, settings=settings(CALM, max_examples=STORIES, stateful_step_count=ACTS))
    keep_figures("binding-machine", seed=number, stories=STORIES, acts_each=ACTS, seen=dict(sorted(seen.items())))


@pytest.mark.parametrize("name", BREAKINGS)
def test_the_machine_finds_the_breaking(name: str, plan: Blueprint) -> None:
    breaking, seen = BREAKINGS[name], Counter[str]()
    thorough = settings(
        CALM, max_examples=MOST_STORIES_TO_FIND, stateful_step_count=15, phases=[Phase.generate], derandomize=True
    )
    with breaking.plant(), pytest.raises(Broken) as broken:
        run_state_machine_as_test(machine_on(plan, seen, breaking.powers, breaking.begins), settings=thorough)
    assert broken.value.promise in breaking.breaks
