"""No figure of the policy is there for show: change it, and what the house does changes."""

from __future__ import annotations

import pytest

import tests.app.binding.guess_bites  # noqa: F401
from app.policy import Policy
from app.policy.sense import figures
from tests.app.binding.bank import Bank
from tests.app.binding.policy_bites import BITES

ACTS = {act.__name__: act for act in BITES.values()}
ELSEWHERE = {"methods.passkey", "methods.passkey_device_bound", "new_browser"}


def test_every_figure_has_an_act_that_shows_it() -> None:
    assert set(BITES) | ELSEWHERE == set(figures(Policy()))


@pytest.mark.parametrize("act", ACTS)
async def test_a_changed_figure_changes_what_happens(bank: Bank, act: str) -> None:
    await ACTS[act](bank)
