"""The explanation says what the policy says: every figure of it, and nothing of another one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.permissions import Level
from app.policy import Brand, Method, NewBrowser, Policy, Profile, Rate, Unknown, odds
from app.policy.sense import figures
from app.policy.words import explanation
from tests.support.policies import changed


def told(change: dict[str, Any]) -> str:
    return "\n".join(f"{heading}: {sentence}" for heading, sentence in explanation(changed(change)))


def another(value: Any) -> Any:
    match value:
        case Level():
            return Level.L4 if value != Level.L4 else Level.L2
        case timedelta():
            return value + timedelta(seconds=7)
        case Rate():
            return Rate(value.limit + 7, value.per)
        case int():
            return value + 7
        case Profile():
            return Profile.ASVS_3
        case NewBrowser() | Unknown():
            return next(one for one in type(value) if one != value)
        case frozenset():
            return frozenset[Any]()
    return {"mastodon": Brand(methods=frozenset({Method.TOTP}))}


@pytest.mark.parametrize("key", figures(Policy()))
def test_every_figure_is_in_the_words(key: str) -> None:
    assert told({key: another(figures(Policy())[key])}) != told({})


def test_a_level_says_what_it_opens_and_what_gives_it() -> None:
    lines = dict(explanation(Policy()))
    assert "opens general, case;" in lines["level 2"]
    assert "a code by SMS" in lines["level 2"]
    assert "opens general, case, account;" in lines["level 3"]
    assert "list as 3" in lines["level 3"]
    assert "a code by SMS" not in lines["level 3"]
    assert "5 min without activity" in lines["level 3"]


def test_a_level_that_nothing_gives_says_so() -> None:
    gone = {"methods.identity_relay_resistant": Level.L0, "methods.passkey_device_bound": Level.L0}
    assert "nobody reaches it" in dict(explanation(changed(gone)))["level 4"]


def test_the_asvs_profile_takes_sms_and_mail_away() -> None:
    lines = dict(explanation(changed({"profile": Profile.ASVS_3})))
    assert "SMS" not in lines["level 2"]
    assert "e-mail" not in lines["level 2"]
    assert "an authenticator app" in lines["level 2"]


def test_the_odds_are_the_computed_ones_and_their_parts_are_named() -> None:
    line = dict(explanation(Policy()))["the odds"]
    assert f"{odds.takeover(Policy()):.2e}, at most 1e-04" in line
    for way in odds.ways(Policy()):
        assert f"{way.odds:.2e} by {way.words}" in line
