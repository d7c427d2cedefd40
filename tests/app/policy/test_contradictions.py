"""A policy that contradicts itself or a norm is told, with its key; a stricter one is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from app.permissions import Level
from app.policy import Brand, Method, Policy, Profile, Rate
from app.policy.sense import MAY_BE_ZERO, MOST, NOT_LONGER, Ground, best_level, contradictions, figures
from tests.support.policies import changed

HOURS_13 = timedelta(hours=13)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Provider:
    name: str
    approval: str
    relay_resistant: Mapping[str, Level]


def test_the_default_contradicts_nothing() -> None:
    assert contradictions(Policy()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methods.sms": Level.L3}, "methods.sms is 3: what is typed can be relayed"),
        ({"methods.email": Level.L3}, "methods.email is 3: what is typed can be relayed"),
        ({"methods.totp": Level.L4}, "methods.totp is 4: what is typed can be relayed"),
        ({"methods.sms": Level.L1}, "level 1 opens no room"),
        ({"methods.identity": Level.L3}, "nobody lists as relay-resistant"),
        ({"methods.passkey": Level.L4}, "can be copied"),
        ({"handles.direct_message": Level.L4}, "handles.direct_message is 4"),
        ({"handles.direct_message": Level.L1}, "handles.direct_message is 1: level 1 opens no room"),
        ({"handles.sign_in": Level.L1}, "handles.sign_in is 1: level 1 opens no room"),
        ({"lifetimes.freeze": SECOND}, "lifetimes.attempt is 30 min, longer than lifetimes.freeze with 1 s"),
        ({"step_up": frozenset({Method.TOTP})}, "two typed codes never give more than level 2"),
        ({"step_up": frozenset({Method.SMS, Method.IDENTITY})}, "two typed codes never give more than level 2"),
        (
            {"step_up": frozenset({Method.PASSKEY}), "methods.passkey": 0, "methods.passkey_device_bound": 0},
            "step_up names passkey, which is switched off",
        ),
        ({"needs.account": Level.L2}, "a typed code opens nothing that the bank holds"),
        ({"needs.case": Level.L3}, "needs.case is 3"),
        ({"needs.general": Level.L4}, "must not fall"),
        ({"needs.identity": Level.L2}, "must not fall"),
        ({"needs.general": Level.L0}, "begin at 1"),
        (
            {"methods.identity_relay_resistant": 0, "methods.passkey_device_bound": 0},
            "needs.identity is 4, and no method reaches it: the best one gives 3",
        ),
        ({"handles.sign_in": Level.L0}, "needs.identity is 4, and no method reaches it: the best one gives 3"),
        ({"handles.sign_in": 0, "handles.direct_message": 0}, "needs.case is 2, and no method reaches it"),
        ({"brands": {"m": Brand(methods=frozenset({Method.SMS}))}, "methods.sms": 0}, "brands.m offers sms, which is"),
        (
            {"brands": {"m": Brand(methods=frozenset({Method.EMAIL, Method.TOTP}))}, "profile": Profile.ASVS_3},
            "brands.m offers email, which is switched off",
        ),
        ({"brands": {"m": Brand(handles=frozenset({"post"}))}}, "post is no way to prove a handle"),
        (
            {"brands": {"m": Brand(handles=frozenset({"direct_message"}))}, "handles.direct_message": 0},
            "brands.m offers direct_message, which is switched off",
        ),
        ({"brands": {"m": Brand(methods=frozenset())}}, "brands.m leaves no way in"),
        ({"brands": {"m": Brand(handles=frozenset())}}, "brands.m leaves no way in"),
        ({"sending.handle_account": Rate(0, timedelta(hours=1))}, "sending.handle_account is nothing"),
        ({"tries.pair.longest_lock": SECOND}, "longer than tries.pair.longest_lock"),
        ({"sessions.visitor": timedelta(minutes=20)}, "lifetimes.attempt is 30 min, longer than sessions.visitor"),
        ({"lifetimes.attempt": timedelta(minutes=6)}, "longer than lifetimes.attempt with 6 min"),
        ({"tries.wrong_a_day": 11}, "more than 1e-04; most of it by codes by SMS or e-mail"),
        ({"tries.message": Rate(20, timedelta(days=1))}, "most of it by codes by direct message, at the handle"),
        ({"tries.authenticators": 8}, "most of it by authenticator codes, with the bound handle stolen"),
    ],
)
def test_what_contradicts_itself_is_told(change: dict[str, Any], words: str) -> None:
    found = contradictions(changed(change))
    assert [line for line in found if words in line] != []


@pytest.mark.parametrize("key", MOST)
def test_no_figure_is_looser_than_its_norm(key: str) -> None:
    most, source = MOST[key]
    step: Any = SECOND if isinstance(most, timedelta) else 1
    told = [line for line in contradictions(changed({key: most + step})) if line.startswith(f"{key} is")]
    assert [line for line in told if source in line and "at most" in line] != []
    within = contradictions(changed({key: most}))
    assert [line for line in within if "at most" in line] == []


@pytest.mark.parametrize(("shorter", "longer"), NOT_LONGER)
def test_nothing_outlives_what_it_is_part_of(shorter: str, longer: str) -> None:
    whole = figures(Policy())[longer]
    told = contradictions(changed({shorter: whole + SECOND}))
    assert [line for line in told if line.startswith(f"{shorter} is") and f"longer than {longer}" in line] != []


@pytest.mark.parametrize(
    "key", [key for key, value in figures(Policy()).items() if isinstance(value, int | timedelta) and value != 0]
)
def test_a_figure_of_nothing_is_told_unless_it_switches_off(key: str) -> None:
    value = figures(Policy())[key]
    if isinstance(value, Level):
        return
    nothing: Any = timedelta() if isinstance(value, timedelta) else 0
    told = [line for line in contradictions(changed({key: nothing})) if line.startswith(f"{key} is nothing")]
    assert bool(told) is (key not in MAY_BE_ZERO)


@pytest.mark.parametrize(
    "change",
    [
        {"methods.sms": Level.L0, "methods.email": Level.L0},
        {"profile": Profile.ASVS_3},
        {"needs.account": Level.L4},
        {"needs.general": Level.L2},
        {"handles.direct_message": Level.L0},
        {"tries.wrong_a_day": 3, "tries.per_code": 1, "tries.pair.in_a_row": 1},
        {"sessions.level_3.idle": timedelta(minutes=1)},
        {"lifetimes.binding": timedelta(days=90)},
        {"phone.quiet": timedelta()},
        {"step_up": frozenset()},
        {"brands": {"m": Brand(handles=frozenset({"sign_in"}), methods=frozenset({Method.TOTP}))}},
    ],
)
def test_what_is_stricter_is_fine(change: dict[str, Any]) -> None:
    assert contradictions(changed(change)) == []


@pytest.mark.parametrize("approval", ["push", "qr"])
def test_a_provider_approved_on_another_device_lists_nothing_as_relay_resistant(approval: str) -> None:
    provider = Provider("bank-login", approval, {"strong": Level.L3})
    told = contradictions(Policy(), Ground([provider]))
    assert len(told) == 1
    assert "bank-login" in told[0]
    assert approval in told[0]
    assert contradictions(Policy(), Ground([replace(provider, relay_resistant={})])) == []
    assert contradictions(Policy(), Ground([replace(provider, approval="browser")])) == []


def test_a_brand_of_no_connector_is_told_once_the_connectors_are_known() -> None:
    policy = changed({"brands": {"mastodon": Brand(handles=frozenset({"sign_in"}))}})
    assert contradictions(policy) == []
    assert contradictions(policy, Ground(connectors=["mastodon"])) == []
    assert "no such connector" in contradictions(policy, Ground(connectors=["square"]))[0]


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, Level.L4),
        ({"profile": Profile.ASVS_3}, Level.L4),
        ({"handles.sign_in": Level.L0}, Level.L3),
        ({"handles.sign_in": Level.L2, "handles.direct_message": Level.L0}, Level.L2),
        ({"methods.identity_relay_resistant": Level.L3, "methods.passkey_device_bound": Level.L0}, Level.L3),
    ],
)
def test_the_best_level_is_what_handle_and_customer_can_give_together(change: dict[str, Any], level: Level) -> None:
    assert best_level(changed(change)) == level


def test_a_brands_best_level_is_its_own() -> None:
    policy = changed({"brands": {"m": Brand(methods=frozenset({Method.TOTP}))}})
    assert best_level(policy, "m") == Level.L2
    assert best_level(policy, "other") == Level.L4
