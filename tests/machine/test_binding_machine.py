"""The real binding machine under people who may do anything: whatever they do, every promise holds."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.ground import Plan, plan_in
from tests.machine.machine import CALM, machine_on
from tests.support.soak import SOAK, chance, in_every_run_or_soak, keep_figures

STORIES = in_every_run_or_soak(25, 1000)
ACTS = in_every_run_or_soak(25, 40)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return asyncio.run(plan_in(tmp_path_factory.mktemp("plan")))


def test_no_promise_breaks_whatever_victim_attacker_bank_and_time_do(plan: Plan) -> None:
    number, _ = chance("binding machine")
    seen: Counter[str] = Counter()
    machine = seed(number)(machine_on(plan, seen))
    run_state_machine_as_test(machine, settings=settings(CALM, max_examples=STORIES, stateful_step_count=ACTS))
    keep_figures("binding-machine", seed=number, stories=STORIES, acts_each=ACTS, seen=dict(sorted(seen.items())))
    if SOAK:
        assert not NEEDED - seen.keys(), "stories in which nobody gets anywhere prove nothing"


NEEDED = frozenset(
    {
        "victim at level 3",
        "victim at level 4",
        "victim reads account data",
        "attacker as account marco, customer marco, at level 4",
        "attacker as account marco, customer giulia, at level 2",
        "attacker as account giulia, customer giulia, at level 2",
        "attacker as account giulia, customer marco, at level 3",
        "attacker reads case",
    }
)
"""Where a long run must have been, short of breaking a promise."""
