"""The model of docs/formal, over its full state space: what the page says holds does, and what it says breaks does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.formal.spin import (
    MODEL,
    PROPERTIES,
    TABLE,
    Configuration,
    compiled,
    configurations,
    counts_as_the_page_does,
    spin_or_skip,
    verdict,
)

ROWS = configurations()
STORIES = TABLE.read_text("utf-8").split("## How each of them breaks")[1].split("\n## ")[0]
KEEPING = {"SIGN_IN=0", "TYPED=0", "PUSHED=0", "PASSKEY=0", "REDIRECT=0", "WALLET=0"}
"""Ways that are left out to show that it was they."""
SWITCHES = dict(re.findall(r"#ifndef ([A-Z_]+)\n#define \1 ([01])\b", MODEL.read_text("utf-8")))


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row.switches) or "recommended" for row in ROWS])
def test_a_configuration_holds_and_breaks_what_its_row_says(row: Configuration, tmp_path: Path) -> None:
    spin = spin_or_skip()
    verifier = compiled(spin, row.switches, tmp_path)
    found = {name: verdict(verifier, name) for name in PROPERTIES}
    assert {name: one.holds for name, one in found.items()} == row.holds
    whole = {one.states for one in found.values() if one.holds}
    assert min(whole) > 500
    if counts_as_the_page_does(spin):
        assert whole == {row.states}


def test_every_switch_of_the_model_has_a_row_that_shows_what_it_is_for() -> None:
    named = {one.split("=")[0] for row in ROWS for one in row.switches}
    assert set(SWITCHES) - named == set()


def test_every_row_differs_from_the_recommended_configuration_by_what_it_names() -> None:
    assert ROWS[0].switches == ()
    assert [row.says for row in ROWS[1:] for one in row.switches if SWITCHES[one.split("=")[0]] == one[-1]] == []
    assert len({row.switches for row in ROWS}) == len(ROWS)


def test_each_property_breaks_somewhere() -> None:
    assert {name for row in ROWS for name, holds in row.holds.items() if not holds} == set(PROPERTIES)


def test_the_attackers_powers_alone_never_bring_out_what_the_bank_holds() -> None:
    """Whatever he can do, short of reading addresses in her browser, no rule of the design being dropped."""
    powers = {"RELAYED=1", "HIJACKED=1"}
    rows = [row for row in ROWS if row.switches and set(row.switches) <= powers]
    assert len(rows) == 3
    assert all(row.holds["secret"] and row.holds["own"] for row in rows)


def test_each_row_that_breaks_something_has_its_story_in_words() -> None:
    """A row that adds nothing to another one's switches but what keeps it from breaking more needs none of its own."""
    told = set(re.findall(r"`([A-Z_]+=[01])`", STORIES))
    breaking = {one for row in ROWS if not all(row.holds.values()) for one in row.switches}
    assert breaking - told - KEEPING == set()
