"""policy.toml: what a new installation gets, what is read from it, and what is refused with its place."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.permissions import Level
from app.policy import Method, NewBrowser, Policy, Profile, Rate, Unknown
from app.policy.file import POLICY_FILE, PolicyUnreadable, load_policy, policy_from
from app.policy.sense import contradictions, figures
from app.policy.template import TEMPLATE
from app.policy.words import spelt


def test_a_new_installations_file_is_the_strict_default() -> None:
    assert policy_from(TEMPLATE) == Policy()
    assert policy_from("") == Policy()


def test_the_file_names_every_figure_there_is() -> None:
    names = {key.split(".")[-1] for key in figures(Policy())} - {"brands"}
    written = set(re.findall(r"^#? ?(\w+) = |[{,] (\w+) = ", TEMPLATE, re.MULTILINE))
    assert names - {one or other for one, other in written} == set()


def test_the_commented_brand_is_one_that_can_be_switched_on() -> None:
    text = (
        TEMPLATE.replace("# [brands.mastodon]", "[brands.mastodon]")
        .replace("# handles", "handles")
        .replace("# methods", "methods")
    )
    policy = policy_from(text)
    assert policy.brands["mastodon"].methods == {Method.PASSKEY, Method.IDENTITY, Method.TOTP}
    assert contradictions(policy) == []


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ('profile = "asvs-3"', "profile", Profile.ASVS_3),
        ("step_up = []", "step_up", frozenset()),
        ('new_browser = "tell"', "new_browser", NewBrowser.TELL),
        ("[methods]\nsms = 0", "methods.sms", Level.L0),
        ('[lifetimes]\nattempt = "45 s"', "lifetimes.attempt", timedelta(seconds=45)),
        ('[lifetimes]\nbinding = "1 day"', "lifetimes.binding", timedelta(days=1)),
        ('[sessions]\nlevel_3 = { idle = "2 min", absolute = "2 h" }', "sessions.level_3.idle", timedelta(minutes=2)),
        ("[tries.pair]\nin_a_row = 2", "tries.pair.in_a_row", 2),
        ('[sending]\nhandle_account = "7 a day"', "sending.handle_account", Rate(7, timedelta(days=1))),
        ('[phone]\nunknown = "send"', "phone.unknown", Unknown.SEND),
    ],
)
def test_what_the_file_says_counts_and_the_rest_stays(text: str, key: str, value: Any) -> None:
    found, default = figures(policy_from(text)), figures(Policy())
    assert found[key] == value
    assert {name for name in default if found[name] != default[name]} <= {key, "sessions.level_3.absolute"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[methods]\nsms = true", "methods.sms"),
        ("[methods]\nsms = 2.0", "methods.sms"),
        ('[methods]\nsms = "2"', "methods.sms"),
        ("[methods]\nsms = 5", "methods.sms"),
        ("[methods]\npigeon = 2", "methods.pigeon"),
        ("[lifetimes]\nattempt = 30", "lifetimes.attempt"),
        ('[lifetimes]\nattempt = "30"', "lifetimes.attempt"),
        ('[lifetimes]\nattempt = "30 minutes"', "lifetimes.attempt"),
        ('[lifetimes]\nattempt = "-5 min"', "lifetimes.attempt"),
        ('[lifetimes]\nattempt = "PT5M"', "lifetimes.attempt"),
        ('[sending]\nhandle_account = "3 a week"', "sending.handle_account"),
        ("[sending]\nhandle_account = 3", "sending.handle_account"),
        ('[sessions]\nlevel_2 = { idle = "5 min" }', "sessions.level_2.absolute"),
        ('profile = "lax"', "profile"),
        ('step_up = ["pigeon"]', "step_up"),
        ("[wishes]\nx = 1", "wishes"),
        ("[brands.m]\nlevel = 4", "brands.m.level"),
        ("profile =", "not TOML"),
    ],
)
def test_what_it_does_not_know_is_refused_by_its_place(text: str, place: str) -> None:
    with pytest.raises(PolicyUnreadable) as refused:
        policy_from(text)
    assert [line for line in refused.value.findings if place in line] != []


def test_every_wrong_place_is_named_at_once() -> None:
    with pytest.raises(PolicyUnreadable) as refused:
        policy_from('[methods]\nsms = 9\n[lifetimes]\nattempt = "x"')
    assert len(refused.value.findings) == 2


def test_a_folder_without_the_file_has_the_default(tmp_path: Path) -> None:
    assert load_policy(tmp_path) == Policy()
    (tmp_path / POLICY_FILE).write_bytes(b'profile = "\xff"')
    with pytest.raises(PolicyUnreadable, match="UTF-8"):
        load_policy(tmp_path)
    (tmp_path / POLICY_FILE).write_text('profile = "asvs-3"')
    assert load_policy(tmp_path).profile == Profile.ASVS_3


@pytest.mark.parametrize(
    "value", [value for value in figures(Policy()).values() if isinstance(value, timedelta | Rate)]
)
def test_a_figure_is_spelt_as_the_file_reads_it(value: timedelta | Rate) -> None:
    if isinstance(value, Rate):
        assert policy_from(f'[sending]\nhandle_network = "{spelt(value)}"').sending.handle_network == value
    else:
        assert policy_from(f'[lifetimes]\nattempt = "{spelt(value)}"').lifetimes.attempt == value


def test_nothing_of_a_policy_can_be_changed_afterwards() -> None:
    policy = policy_from("[brands.m]\nmethods = ['totp']")
    with pytest.raises(AttributeError):
        policy.profile = Profile.ASVS_3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        policy.tries.per_code = 100  # type: ignore[misc]
    with pytest.raises(TypeError):
        policy.brands["m"] = policy.brands["m"]  # type: ignore[index]
