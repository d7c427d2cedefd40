"""The policy: readable, free of contradictions, and what it means in words."""

from __future__ import annotations

from app.checks.finding import Colour, Finding, Findings
from app.main import Parts, ground_of
from app.policy import Policy
from app.policy.file import POLICY_FILE, PolicyUnreadable, load_policy
from app.policy.sense import contradictions
from app.policy.words import explanation
from app.settings import Settings


def readable(settings: Settings) -> Policy:
    """The installation's policy; the default where it cannot be read, which `in_words` tells."""
    try:
        return load_policy(settings.data)
    except PolicyUnreadable:
        return Policy()


def in_words(settings: Settings, parts: Parts | None) -> Findings:
    """Red for each contradiction, else what opens what, for how long, and what a stranger can try."""
    try:
        found = load_policy(settings.data)
    except PolicyUnreadable as unreadable:
        yield from (Finding("policy", Colour.RED, f"{POLICY_FILE}: {line}") for line in unreadable.findings)
        return
    wrong = contradictions(found, ground_of(parts))
    yield from (Finding("policy", Colour.RED, line) for line in wrong)
    if not wrong:
        there = (settings.data / POLICY_FILE).is_file()
        default = f"the strict default; {POLICY_FILE} is not there"
        yield Finding("policy", Colour.GREEN, f"{POLICY_FILE}, free of contradictions" if there else default)
        for heading, sentence in explanation(found):
            yield Finding(f"policy, {heading}", Colour.GREEN, sentence)
