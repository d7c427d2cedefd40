"""The odds of a takeover by guessing, computed from the figures that bind: printed, small enough, and seen to move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.permissions import Level
from app.policy import Policy, Profile, Rate, odds
from app.policy.sense import contradictions
from security import codes, tokens, totp
from security.encoding import unb64url
from security.errors import CodeRefused
from security.secret import Secret
from tests.support.policies import changed

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOON = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
LOOSER: dict[str, Any] = {
    "tries.wrong_a_day": 11,
    "tries.bound": Rate(36, 30 * DAY),
    "tries.message": Rate(9, DAY),
    "tries.answered": Rate(16, 30 * DAY),
    "tries.authenticators": 4,
}
"""Each figure that the odds hang on, loosened to the next value that matters."""


def table(policy: Policy) -> str:
    lines = [f"{way.guesses:14,.0f} x {way.right:8.1e} = {way.odds:8.2e}  {way.words}" for way in odds.ways(policy)]
    return "\n".join([*lines, f"{odds.takeover(policy):37.2e}  a person and year, at most {odds.MOST:.0e}"])


def test_nobody_is_taken_for_another_by_guessing_more_than_once_in_ten_thousand_years() -> None:
    """The table is what a run prints (`-s`) and docs/policy.md shows."""
    print(table(Policy()))
    assert 0 < odds.takeover(Policy()) <= 1e-4
    assert odds.MOST == 1e-4


@pytest.mark.parametrize("key", LOOSER)
def test_each_limit_loosened_is_above_the_odds_and_refused(key: str) -> None:
    loosened = changed({key: LOOSER[key]})
    assert odds.takeover(loosened) > 1e-4
    assert [line for line in contradictions(loosened) if "more than 1e-04" in line] != []


def test_a_shorter_code_would_be_above_the_odds(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (codes, totp):
        with monkeypatch.context() as patched:
            patched.setattr(module, "DIGITS", 7)
            assert odds.takeover(Policy()) > 1e-4


def test_one_more_accepted_step_would_be_above_the_odds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totp, "ACCEPTED_STEPS", 3)
    assert odds.takeover(Policy()) > 1e-4


def test_the_odds_compute_with_what_codes_and_tokens_really_are() -> None:
    assert {len(codes.new_code()) for _ in range(50)} == {codes.DIGITS}
    secret = Secret(b"s" * 20)
    assert len(totp.code_at(secret, NOON)) == totp.DIGITS
    accepted = [step for step in range(-5, 6) if is_accepted(secret, NOON + step * timedelta(seconds=totp.STEP))]
    assert len(accepted) == totp.ACCEPTED_STEPS
    assert len(unb64url(tokens.new_token())) * 8 == odds.TOKEN_BITS


def is_accepted(secret: Secret, shown_at: datetime) -> bool:
    try:
        totp.check(secret, totp.code_at(secret, shown_at), NOON, None)
    except CodeRefused:
        return False
    return True


def test_a_method_that_is_off_is_no_way_to_guess() -> None:
    def words(change: dict[str, Any]) -> str:
        return table(changed(change))

    assert "by SMS or e-mail" in words({})
    assert "by e-mail" in words({"methods.sms": Level.L0})
    assert "SMS" not in words({"profile": Profile.ASVS_3})
    assert "direct message" not in words({"handles.direct_message": Level.L0})
    assert "authenticator" not in words({"methods.totp": Level.L0})
    assert "SMS or e-mail, with the bound handle stolen" in words({"methods.totp": Level.L0})
    off: dict[str, Any] = {f"methods.{one}": Level.L0 for one in ("sms", "email", "totp")}
    off["handles.direct_message"] = Level.L0
    assert odds.takeover(changed(off)) < 1e-50
    assert odds.among_all(changed(off)) == 0


def test_the_whole_population_is_bounded_by_everybodys_budget_alone() -> None:
    assert odds.among_all(Policy()) == pytest.approx(300 * (1 + 365 * 24) / 10**8)
    assert odds.among_all(changed({"tries.everybody": Rate(600, HOUR)})) == pytest.approx(2 * odds.among_all(Policy()))


def most_in_any_year(allowed: Callable[[datetime], int]) -> int:
    """How many guesses somebody has in a year who tries as often as it helps, from noon to noon."""
    return sum(allowed(NOON + hour * HOUR) for hour in range(365 * 24))


def test_the_formula_is_what_the_counters_of_a_day_allow() -> None:
    """A model of `guesses.count_today` and of `rates.take`, hour by hour for a year, against the two formulas."""
    days: dict[str, int] = {}

    def by_day(now: datetime) -> int:
        counted = days.setdefault(now.date().isoformat(), 0)
        days[now.date().isoformat()] = 10
        return 10 - counted

    assert most_in_any_year(by_day) == odds.in_days(10)
    full_at = [NOON]

    def by_rate(now: datetime) -> int:
        allowed, step = 0, 30 * DAY / 30
        while max(full_at[0], now) + step - now <= 30 * DAY:
            full_at[0] = max(full_at[0], now) + step
            allowed += 1
        return allowed

    assert odds.in_a_year(Rate(30, 30 * DAY)) - 1 <= most_in_any_year(by_rate) <= odds.in_a_year(Rate(30, 30 * DAY))
